package io.experimentetl.config;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;

/** A configuration's text as YAML: strict about keys that are given twice, with errors in words. */
public final class YamlText {
  private static final ObjectMapper YAML =
      new ObjectMapper(new YAMLFactory().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION))
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

  private static final Pattern DUPLICATE = Pattern.compile("Duplicate field '(.*)'");
  private static final String REMEDY =
      "Correct it; keys of one group have the same indentation, made of spaces.";

  private YamlText() {}

  /**
   * Reads a file, which must be UTF-8. The parser skips a byte order mark.
   *
   * @throws InvalidConfigurationException when the file cannot be read or is not UTF-8
   */
  public static String read(Path file) {
    String problem;
    String remedy = "Pass the path of a readable YAML file with --config.";
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(Files.readAllBytes(file)))
          .toString();
    } catch (CharacterCodingException e) {
      problem = "is not encoded in UTF-8.";
      remedy = "Save it in UTF-8 (iconv -t UTF-8 converts it).";
    } catch (NoSuchFileException e) {
      problem = "does not exist.";
    } catch (IOException e) {
      problem =
          Files.isDirectory(file)
              ? "is a folder, not a file."
              : "cannot be read (" + e.getClass().getSimpleName() + ").";
    }
    throw new InvalidConfigurationException(
        "The configuration " + file,
        List.of(new ConfigurationError(file.toString(), problem, remedy)));
  }

  /**
   * Parses a text. An empty one, or one of comments only, is an empty group of keys.
   *
   * @throws JsonProcessingException when the text is not YAML or has a key twice; see {@link
   *     #error}
   */
  public static JsonNode parse(String yaml) throws JsonProcessingException {
    JsonNode root = YAML.readTree(yaml);
    return root.isMissingNode() || root.isNull() ? JsonNodeFactory.instance.objectNode() : root;
  }

  /** A value as the text of an environment variable or an option gives it. */
  static JsonNode value(String yaml) throws JsonProcessingException {
    return YAML.readTree(yaml);
  }

  /** The error in words, without the parser's excerpt of the text, which may contain a secret. */
  public static ConfigurationError error(JsonProcessingException e) {
    String where = place(e);
    String message = e.getOriginalMessage();
    Matcher duplicate = DUPLICATE.matcher(message);
    if (duplicate.find()) {
      return new ConfigurationError(
          where,
          "has the key " + duplicate.group(1) + " a second time.",
          "Keep one of them: the later one would replace the earlier one in silence.");
    }
    return new ConfigurationError(where, "is not YAML: " + problem(message) + ".", REMEDY);
  }

  /** The parser's own mark is the problem's; Jackson's is that of the token before. */
  private static String place(JsonProcessingException e) {
    if (e.getCause() instanceof MarkedYAMLException marked && marked.getProblemMark() != null) {
      Mark mark = marked.getProblemMark();
      return "line " + (mark.getLine() + 1) + ", column " + (mark.getColumn() + 1);
    }
    return e.getLocation() == null
        ? "the file"
        : "line " + e.getLocation().getLineNr() + ", column " + e.getLocation().getColumnNr();
  }

  /**
   * The parser's message has the context, its place, the problem and its place, each followed by an
   * excerpt.
   */
  private static String problem(String message) {
    if (message.contains("\\t(TAB)")) {
      return "a tab is where YAML needs spaces";
    }
    String[] lines = message.lines().map(String::strip).toArray(String[]::new);
    String problem = lines.length == 0 ? "" : lines[0];
    for (int i = 1; i < lines.length; i++) {
      if (lines[i].startsWith("expected")
          || lines[i].startsWith("found")
          || lines[i].startsWith("could not find")
          || lines[i].startsWith("mapping values")) {
        problem = lines[i];
      }
    }
    return problem
        .replace("mapping values are not allowed here", "a colon is where no key can begin")
        .replace("expected <block end>, but found", "the indentation ends a group before")
        .replaceFirst("^could not find expected ':'", "a key has no colon behind it");
  }
}

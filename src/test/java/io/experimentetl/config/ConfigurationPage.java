package io.experimentetl.config;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Generates {@code docs/configuration.md}: the comments come from {@code experiment-etl.yaml}, the
 * values and defaults from the error messages of the keys.
 */
final class ConfigurationPage {
  private static final Pattern KEY = Pattern.compile("( *)(?:- )?([a-z0-9-]+):.*");
  private static final Pattern REMEDY =
      Pattern.compile("Use (.+?)(, or null)?\\.(?: The default is (.*)\\.)?");
  private static final Map<String, String> SECRETS =
      Map.of("EXPERIMENT_ETL_SOURCE_PASSWORD", "s", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "s");

  private static final String HEAD =
      """
      # Configuration

      *For the engineer who runs the job.* One YAML file, passed with `--config FILE`. The file `src/main/resources/experiment-etl.yaml` has every key with its
      default and can be used as it is. This page is generated from that file and from the bounds in the code; a test compares them.

      """;

  private final String introduction;
  private final Map<String, String> comments;
  private final Map<String, ConfigurationError> errors;
  private final JsonNode root;

  ConfigurationPage(String yaml) throws IOException {
    this.introduction =
        yaml.lines()
            .takeWhile(line -> line.startsWith("#"))
            .map(line -> line.substring(1).strip())
            .collect(Collectors.joining("\n"));
    this.comments = comments(yaml);
    this.root = new ObjectMapper(new YAMLFactory()).readTree(yaml);
    this.errors = errors(comments.keySet());
  }

  /** The comment above each key, by the key's path. Keys of list elements have no index. */
  private static Map<String, String> comments(String yaml) {
    Map<String, String> comments = new LinkedHashMap<>();
    Deque<String> path = new ArrayDeque<>();
    Deque<Integer> indents = new ArrayDeque<>();
    List<String> comment = new ArrayList<>();
    for (String line : yaml.lines().toList()) {
      Matcher key = KEY.matcher(line);
      if (line.isBlank()) {
        comment.clear();
      } else if (line.strip().startsWith("#")) {
        comment.add(line.strip().substring(1).strip());
      } else if (key.matches()) {
        int indent = key.group(1).length() + (line.strip().startsWith("- ") ? 2 : 0);
        while (!indents.isEmpty() && indents.peekLast() >= indent) {
          indents.removeLast();
          path.removeLast();
        }
        path.addLast(key.group(2));
        indents.addLast(indent);
        comments.putIfAbsent(String.join(".", path), String.join(" ", comment));
        comment.clear();
      } else {
        throw new IllegalArgumentException("Not understood: " + line);
      }
    }
    return comments;
  }

  /** The error of each key when its value is a group, which no setting but a group accepts. */
  private static Map<String, ConfigurationError> errors(Iterable<String> keys) throws IOException {
    Map<String, ConfigurationError> errors = new LinkedHashMap<>();
    for (String key : keys) {
      String value = key.endsWith(".properties") || key.endsWith(".metrics") ? "3" : "{}";
      String yaml = "";
      String[] parts = key.split("\\.", -1);
      for (int i = parts.length - 1; i >= 0; i--) {
        yaml = parts[i] + ": " + (yaml.isEmpty() ? value : "{" + yaml + "}");
        if (i > 0 && parts[i - 1].equals("metrics")) {
          yaml = "metrics: [{" + yaml + "}]";
          i--;
        }
      }
      List<ConfigurationError> found = new ArrayList<>();
      Section.read(Section.parse(yaml, SECRETS, found), JobConfig::read);
      String path = key.replace("metrics.", "metrics[0].");
      found.stream()
          .filter(error -> error.path().equals(path))
          // A key may also be wrong beside another, such as source.tls.ca-file beside the mode.
          .filter(error -> REMEDY.matcher(error.remedy()).matches())
          .findFirst()
          .ifPresent(error -> errors.put(key, error));
    }
    return errors;
  }

  String markdown() {
    StringBuilder page = new StringBuilder(HEAD).append(introduction).append('\n');
    root.fieldNames().forEachRemaining(section -> page.append(section(section, root.get(section))));
    return page.toString();
  }

  private String section(String path, JsonNode group) {
    StringBuilder rows = new StringBuilder();
    StringBuilder nested = new StringBuilder();
    group
        .properties()
        .forEach(
            property -> {
              String key = path + "." + property.getKey();
              JsonNode value = property.getValue();
              if (value.isObject() && !value.isEmpty()) {
                nested.append(section(key, value));
              } else if (value.isArray() && value.path(0).isObject()) {
                nested.append(section(key, value.get(0)));
              } else {
                rows.append(row(key, property.getKey(), value));
              }
            });
    return "\n%s %s\n\n%s\n\n| key | values | default | meaning |\n|---|---|---|---|\n%s%s"
        .formatted(path.contains(".") ? "###" : "##", path, comments.get(path), rows, nested);
  }

  private String row(String key, String name, JsonNode value) {
    Matcher remedy = REMEDY.matcher(errors.containsKey(key) ? errors.get(key).remedy() : "");
    String values = "a group of keys";
    String defaultValue = value.toString();
    if (remedy.matches()) {
      // The introduction lists the units.
      values = remedy.group(1).replaceFirst(" \\((ms|B), .*\\)", "");
      defaultValue = remedy.group(3);
      if (defaultValue == null) {
        defaultValue = remedy.group(2) == null ? "required" : "null";
      }
    }
    return "| `%s` | %s | %s | %s |\n"
        .formatted(
            name,
            values,
            defaultValue.equals("required") ? defaultValue : "`" + defaultValue + "`",
            comments.get(key).replace("|", "\\|"));
  }
}

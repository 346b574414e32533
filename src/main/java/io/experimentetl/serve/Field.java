package io.experimentetl.serve;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigInteger;
import java.util.Locale;

/**
 * A parameter of a request: a member of the body, or of the query.
 *
 * @param name in camel case; the spelling with underscores is taken too
 * @param description with the default
 */
record Field(String name, Type type, String description) {

  /** The types of JSON that a field may have. */
  enum Type {
    STRING,
    INTEGER,
    BOOLEAN
  }

  static Field text(String name, String description) {
    return new Field(name, Type.STRING, description);
  }

  static Field integer(String name, String description) {
    return new Field(name, Type.INTEGER, description);
  }

  static Field bool(String name, String description) {
    return new Field(name, Type.BOOLEAN, description);
  }

  /** The name with underscores: {@code dry_run} for {@code dryRun}. */
  String snakeName() {
    return name.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
  }

  /** Whether the word is one of the field's spellings. */
  boolean isNamed(String word) {
    return word.equals(name) || word.equals(snakeName());
  }

  /** The value of a member of the body. */
  Object read(JsonNode value) {
    return switch (type) {
      case STRING -> {
        require(value.isTextual(), "a string");
        yield value.asText();
      }
      case INTEGER -> {
        require(value.isIntegralNumber() && value.canConvertToInt(), "a whole number");
        yield value.asInt();
      }
      case BOOLEAN -> {
        require(value.isBoolean(), "true or false");
        yield value.asBoolean();
      }
    };
  }

  /** The value of a part of the query. */
  Object read(String value) {
    return switch (type) {
      case STRING -> value;
      case INTEGER -> {
        require(value.matches("-?\\d{1,10}"), "a whole number");
        BigInteger number = new BigInteger(value);
        require(number.bitLength() < Integer.SIZE, "a whole number of 32 bits");
        yield number.intValue();
      }
      case BOOLEAN -> {
        require(value.equals("true") || value.equals("false"), "true or false");
        yield value.equals("true");
      }
    };
  }

  private void require(boolean condition, String noun) {
    if (!condition) {
      throw ProblemException.badRequest(name + " is not " + noun + ".");
    }
  }
}

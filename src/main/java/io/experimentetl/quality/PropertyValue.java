package io.experimentetl.quality;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.experimentetl.model.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;

/**
 * The value of a metric's property in whole millionths. The property is a JSON number of at least 0
 * and less than 10^12. Further decimals are truncated, as in the recomputation by ClickHouse and
 * PostgreSQL.
 */
public final class PropertyValue {
  /** No value: the property is missing, not a number, negative or too large. */
  public static final long NONE = Long.MIN_VALUE;

  /** The number one. */
  public static final long ONE = 1_000_000;

  private static final int DECIMALS = 6;

  /** One digit more than a number below 10^12 has before the point. */
  private static final int MAX_DIGITS = 13;

  private static final BigDecimal LIMIT = BigDecimal.TEN.pow(12);

  private PropertyValue() {}

  /** The property's value in millionths, or {@link #NONE}. */
  public static long of(String properties, String property) {
    return of(properties, new String[] {property})[0];
  }

  /**
   * Each property's value in millionths, or {@link #NONE}. The text is parsed once. Of a key that
   * occurs twice the last value counts, as in PostgreSQL.
   */
  public static long[] of(String properties, String[] names) {
    long[] values = new long[names.length];
    Arrays.fill(values, NONE);
    if (!isObject(properties)) {
      return values;
    }
    try (JsonParser parser = Json.FACTORY.createParser(properties)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        int index = indexOf(names, parser.currentName());
        JsonToken value = parser.nextToken();
        if (index >= 0) {
          values[index] = value.isNumeric() ? millionths(parser) : NONE;
        }
        parser.skipChildren();
      }
    } catch (com.fasterxml.jackson.core.JsonProcessingException broken) {
      return values;
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return values;
  }

  private static int indexOf(String[] names, String name) {
    for (int i = 0; i < names.length; i++) {
      if (names[i].equals(name)) {
        return i;
      }
    }
    return -1;
  }

  /** Whether the JSON text is an object; PostgreSQL has already checked that it is JSON. */
  public static boolean isObject(String json) {
    return json != null && json.startsWith("{");
  }

  private static long millionths(JsonParser parser) throws IOException {
    // A number of ten thousands of digits is not built: it is too large by its length.
    if (parser.getTextLength() > MAX_DIGITS && isTooLarge(parser)) {
      return NONE;
    }
    return millionths(parser.getDecimalValue());
  }

  /**
   * Whether more than {@value #MAX_DIGITS} digits stand before the point; PostgreSQL prints no
   * exponent.
   */
  private static boolean isTooLarge(JsonParser parser) throws IOException {
    char[] text = parser.getTextCharacters();
    int from = parser.getTextOffset();
    for (int i = from; i < from + MAX_DIGITS; i++) {
      if (text[i] < '0' || text[i] > '9') {
        return false;
      }
    }
    return true;
  }

  private static long millionths(BigDecimal value) {
    // Checked before the value is expanded: 1e1000000000 has a billion digits.
    if (value.signum() < 0
        || (long) value.precision() - value.scale() > 13
        || value.compareTo(LIMIT) >= 0) {
      return NONE;
    }
    if (value.scale() - value.precision() >= DECIMALS) {
      return 0;
    }
    return value.setScale(DECIMALS, RoundingMode.DOWN).unscaledValue().longValueExact();
  }
}

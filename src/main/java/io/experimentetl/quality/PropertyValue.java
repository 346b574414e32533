package io.experimentetl.quality;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * The value of a metric's property: a JSON number, at least 0 and less than 10^12, in whole
 * millionths; more decimals than six are cut off (toward zero), as ClickHouse's and PostgreSQL's
 * recomputation cut them.
 */
public final class PropertyValue {
  /** No value: the property is missing, not a number, negative or too large. */
  public static final long NONE = Long.MIN_VALUE;

  /** The number one. */
  public static final long ONE = 1_000_000;

  private static final int DECIMALS = 6;
  private static final BigDecimal LIMIT = BigDecimal.TEN.pow(12);
  private static final JsonFactory JSON = new JsonFactory();

  private PropertyValue() {}

  /** The property's value in millionths, or {@link #NONE}. */
  public static long of(String properties, String property) {
    if (!isObject(properties)) {
      return NONE;
    }
    try (JsonParser parser = JSON.createParser(properties)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean wanted = parser.currentName().equals(property);
        JsonToken value = parser.nextToken();
        if (wanted) {
          return value.isNumeric() ? millionths(parser.getDecimalValue()) : NONE;
        }
        parser.skipChildren();
      }
      return NONE;
    } catch (com.fasterxml.jackson.core.JsonProcessingException broken) {
      return NONE;
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
  }

  /** Whether the JSON text is an object; PostgreSQL has already checked that it is JSON. */
  public static boolean isObject(String json) {
    return json != null && json.startsWith("{");
  }

  private static long millionths(BigDecimal value) {
    // The precision is looked at first: 1e1000000000 must not be written out.
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

package io.experimentetl.postgres.pgoutput;

import java.util.HashMap;
import java.util.Map;

/**
 * How the values of a type are sent, and what {@link Tuple#value} makes of them. Several types
 * share a format: it is that of the type's send function, so domains, enums and types of extensions
 * have one too.
 */
public enum ValueFormat {
  /** A {@link Boolean}. */
  BOOL("boolsend"),
  /** A {@link Long}; in binary it has 16, 32 or 64 bits. */
  INTEGER("int2send", "int4send", "int8send"),
  /** A {@link Double}; in binary it has 32 or 64 bits. */
  FLOAT("float4send", "float8send"),
  /** A {@link String} with all digits, as PostgreSQL prints it. */
  NUMERIC("numeric_send"),
  /** A {@link String}. */
  TEXT(
      "textsend",
      "varcharsend",
      "namesend",
      "charsend",
      "enum_send",
      "citextsend",
      "unknownsend",
      "cstring_send"),
  /** A {@link String} without the blanks that pad it, as PostgreSQL's cast to text. */
  PADDED_TEXT("bpcharsend"),
  /** A {@link String}, as it was written. */
  JSON("json_send"),
  /** A {@link String}; its binary form begins with a version. */
  JSONB("jsonb_send"),
  /** A {@link java.util.UUID}. */
  UUID("uuid_send"),
  /** {@link Micros}. */
  TIMESTAMPTZ("timestamptz_send"),
  /** {@link Micros}, of the time as if it was in UTC. */
  TIMESTAMP("timestamp_send"),
  /** A {@link String}, such as 2026-01-31. */
  DATE("date_send"),
  /** A {@link String}, of a type without a send function: it is always sent as a text. */
  TEXT_ONLY("-"),
  /** A {@link String} where the value was sent as a text; its binary form cannot be read. */
  OTHER;

  /**
   * A time.
   *
   * @param since1970 microseconds since 1970 in UTC; infinity and times outside 64 bits are {@link
   *     Long#MAX_VALUE} or {@link Long#MIN_VALUE}
   */
  public record Micros(long since1970) {

    @Override
    public String toString() {
      return Long.toString(since1970);
    }
  }

  private static final Map<String, ValueFormat> BY_SEND_FUNCTION = new HashMap<>();

  static {
    for (ValueFormat format : values()) {
      for (String function : format.sendFunctions) {
        BY_SEND_FUNCTION.put(function, format);
      }
    }
  }

  private final String[] sendFunctions;

  ValueFormat(String... sendFunctions) {
    this.sendFunctions = sendFunctions;
  }

  /** Whether values have a binary form that {@link Tuple#value} can read. */
  public boolean isReadInBinary() {
    return this != TEXT_ONLY && this != OTHER;
  }

  /**
   * The format of a type.
   *
   * @param sendFunction the name in {@code pg_type.typsend}; "-": the type has none
   */
  public static ValueFormat ofSendFunction(String sendFunction) {
    return BY_SEND_FUNCTION.getOrDefault(sendFunction, OTHER);
  }
}

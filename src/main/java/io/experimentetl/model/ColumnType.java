package io.experimentetl.model;

/** What a source column holds, and the Java type of its value in a row. */
public enum ColumnType {
  /** The id of an event: an {@link EventId}, from any type that the source can print. */
  EVENT_ID("a text or an integer"),
  /** A {@link Long}. The width of the source's type does not matter. */
  BIGINT("an integer"),
  /** An {@link Integer}. */
  INT("an integer"),
  /** A {@link Double}, from any numeric type; finite. */
  NUMBER("a number"),
  /** A {@link String}. */
  TEXT("a text"),
  /** A {@link String} with few distinct values. */
  LABEL("a text"),
  /** JSON as the source prints it: a {@link String}. */
  JSON("a text"),
  /** A {@link Boolean}. */
  BOOL("a boolean"),
  /** Microseconds since 1970 in UTC: a {@link Long}. */
  TIMESTAMP("a timestamp");

  private final String inWords;

  ColumnType(String inWords) {
    this.inWords = inWords;
  }

  /** The type in a message, with its article. */
  public String inWords() {
    return inWords;
  }
}

package io.experimentetl.cdc;

/**
 * What rows of the stream came without, because their table had another column or another name than
 * the declared one.
 *
 * @param relation OID of the table
 * @param column the declared column; empty: the rows themselves, whose table had another name or
 *     schema
 */
public record StreamGap(long relation, String column) {
  private static final String BETWEEN = " ";

  /** Of all rows. */
  static StreamGap ofRows(long relation) {
    return new StreamGap(relation, "");
  }

  /** The text that {@link #parse} reads, for the operator's state. */
  String print() {
    return relation + BETWEEN + column;
  }

  /** Reads what {@link #print} wrote. */
  static StreamGap parse(String text) {
    int end = text.indexOf(BETWEEN);
    return new StreamGap(
        Long.parseLong(text.substring(0, end)), text.substring(end + BETWEEN.length()));
  }
}

package io.experimentetl.attribution;

/**
 * What else is known of a fact, in one byte of keyed state: whether a retention transaction has
 * deleted its row, and behind how many truncates of its table the open transaction has written it.
 */
final class FactMark {
  static final byte NONE = 0;

  private static final int RETENTION_DELETED = 1;
  private static final int TRUNCATES_SHIFT = 1;

  /** Of one table in one transaction, more truncates than these are counted as these. */
  static final int MAX_TRUNCATES = 0x7F;

  private FactMark() {}

  /** The mark of a row that the source holds. */
  static byte written(int truncatesBefore) {
    return (byte) (truncatesBefore << TRUNCATES_SHIFT);
  }

  /** The mark with the note that a retention transaction has deleted the row. */
  static byte retentionDeleted(byte mark) {
    return (byte) (mark | RETENTION_DELETED);
  }

  static boolean isRetentionDeleted(byte mark) {
    return (mark & RETENTION_DELETED) != 0;
  }

  /** The number of truncates in the open transaction before the row was written. */
  static int truncatesBefore(byte mark) {
    return (mark & 0xFF) >>> TRUNCATES_SHIFT;
  }

  /** The mark at the end of the transaction. */
  static byte committed(byte mark) {
    return (byte) (mark & RETENTION_DELETED);
  }
}

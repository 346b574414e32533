package io.experimentetl.attribution;

import io.experimentetl.model.FindingCode;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What else is known of a fact, in one byte of keyed state: whether a retention transaction has
 * deleted its row, which codes were found on it that the facts do not show, and behind how many
 * truncates of its table the open transaction has written it.
 */
final class FactMark {
  static final byte NONE = 0;

  private static final int RETENTION_DELETED = 1;

  /** They depend on columns that the facts do not hold, or on the commit that wrote the row. */
  private static final List<FindingCode> NOTED =
      List.of(
          FindingCode.T_FUTURE,
          FindingCode.T_ASSIGNMENT_AT_DRIFT,
          FindingCode.T_OUT_OF_RANGE,
          FindingCode.S_UNPARSEABLE);

  private static final int NOTED_SHIFT = 1;
  private static final int TRUNCATES_SHIFT = NOTED_SHIFT + NOTED.size();

  /** Of one table in one transaction, more truncates than these are counted as these. */
  static final int MAX_TRUNCATES = 0xFF >>> TRUNCATES_SHIFT;

  private static final int TRUNCATES = MAX_TRUNCATES << TRUNCATES_SHIFT;

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

  /** The mark with those of the codes that the facts do not show, in place of the ones before. */
  static byte withFound(byte mark, Set<FindingCode> codes) {
    int found = mark & (TRUNCATES | RETENTION_DELETED);
    for (int i = 0; i < NOTED.size(); i++) {
      found |= codes.contains(NOTED.get(i)) ? 1 << (NOTED_SHIFT + i) : 0;
    }
    return (byte) found;
  }

  /** The codes that were found on the row and that the facts do not show. */
  static EnumSet<FindingCode> found(byte mark) {
    EnumSet<FindingCode> found = EnumSet.noneOf(FindingCode.class);
    for (int i = 0; i < NOTED.size(); i++) {
      if ((mark & 1 << (NOTED_SHIFT + i)) != 0) {
        found.add(NOTED.get(i));
      }
    }
    return found;
  }

  /** The mark of a row that the source has written again: what was found on it is still open. */
  static byte writtenAgain(byte mark, int truncatesBefore) {
    return withFound(written(truncatesBefore), found(mark));
  }

  /** The number of truncates in the open transaction before the row was written. */
  static int truncatesBefore(byte mark) {
    return (mark & 0xFF) >>> TRUNCATES_SHIFT;
  }

  /** The mark at the end of the transaction. */
  static byte committed(byte mark) {
    return (byte) (mark & ~TRUNCATES);
  }
}

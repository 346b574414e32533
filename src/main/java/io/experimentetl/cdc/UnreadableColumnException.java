package io.experimentetl.cdc;

import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceColumn;

/** Control flow of {@link RowReader}: an unreadable row is data, not an error. */
final class UnreadableColumnException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  final FindingCode code;

  /** As the source names it. */
  final String column;

  UnreadableColumnException(FindingCode code, String name, String reason) {
    super(reason, null, false, false);
    this.code = code;
    this.column = name;
  }

  static UnreadableColumnException notSent(TableBinding binding, SourceColumn<?> column) {
    return new UnreadableColumnException(
        FindingCode.S_INCOMPLETE_ROW,
        binding.nameOf(column),
        "PostgreSQL did not send the large unchanged value of "
            + binding.nameOf(column)
            + ": "
            + RowReader.remedy(binding));
  }

  static UnreadableColumnException onlyKeySent(TableBinding binding, SourceColumn<?> column) {
    return new UnreadableColumnException(
        FindingCode.S_INCOMPLETE_ROW,
        binding.nameOf(column),
        "PostgreSQL sent only the key of the old row, without "
            + binding.nameOf(column)
            + ": "
            + RowReader.remedy(binding));
  }

  static UnreadableColumnException wrongType(
      TableBinding binding, SourceColumn<?> column, String expected) {
    return new UnreadableColumnException(
        FindingCode.S_UNPARSEABLE,
        binding.nameOf(column),
        "The column " + binding.nameOf(column) + " is not " + expected + ".");
  }

  /** Without a column of the filter it is not known whether the row counts. */
  static UnreadableColumnException undecided(TableBinding binding, String column) {
    return new UnreadableColumnException(
        FindingCode.S_NULL_REQUIRED,
        column,
        "The table %s has no column %s, by which source.tables.%s selects rows: correct it there, redeploy, and replay the row."
            .formatted(binding.readableName(), column, binding.entry()));
  }
}

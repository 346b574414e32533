package io.experimentetl.model;

import java.util.Arrays;
import java.util.stream.Stream;

/**
 * Rows of one experiment that were corrected in the same way: of one transaction, or of several
 * between two checkpoints. The commit LSN before a transaction identifies it.
 *
 * @param firstLsn LSN of the first change
 * @param firstCommit the commit LSN before the transaction of the first change
 * @param lastCommit the commit LSN before the transaction of the last change
 * @param lastSequence the greatest sequence number of a change
 * @param committedAt of the last change, microseconds since 1970 in UTC
 * @param rows their number
 * @param examples a few of them
 */
public record ChangedRows(
    FindingCode code,
    long experimentId,
    long firstLsn,
    long firstCommit,
    long lastCommit,
    long lastSequence,
    long committedAt,
    long rows,
    Subject[] examples) {

  private static final int MAX_EXAMPLES = 3;

  /** Both together; they are of the same code and experiment. */
  public ChangedRows plus(ChangedRows other) {
    ChangedRows first = other.firstLsn < firstLsn ? other : this;
    ChangedRows last = other.lastSequence > lastSequence ? other : this;
    return new ChangedRows(
        code,
        experimentId,
        first.firstLsn,
        first.firstCommit,
        last.lastCommit,
        last.lastSequence,
        last.committedAt,
        rows + other.rows,
        Stream.concat(Arrays.stream(examples), Arrays.stream(other.examples))
            .sorted()
            .distinct()
            .limit(MAX_EXAMPLES)
            .toArray(Subject[]::new));
  }

  /** The finding about them, which replaces an earlier one about some of them. */
  public Finding finding() {
    String named = String.join(", ", Arrays.stream(examples).map(Subject::toString).toList());
    return Finding.opened(code, Subject.experimentChange(experimentId, firstLsn))
        .inExperiment(experimentId)
        .detail(
            "%d %s, such as %s; the statistics were restated"
                .formatted(rows, rows == 1 ? "row" : "rows", named))
        .at(committedAt, firstLsn, RowVersion.ofSequenceNumber(lastSequence));
  }
}

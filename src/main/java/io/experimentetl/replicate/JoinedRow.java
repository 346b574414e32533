package io.experimentetl.replicate;

import io.experimentetl.model.ReplicatedRow;
import java.util.Arrays;

/**
 * A row of a table with lookups and what its references say; a record of keyed state.
 *
 * @param columns see {@link ReplicatedRow}
 * @param values see {@link ReplicatedRow}; empty: there is no row, or it has not arrived yet
 * @param sequenceNumber of the row's last change; 0: it has not arrived yet
 * @param lsn of that change
 * @param committedAt of that change
 * @param version that was sent last; 0: none
 * @param missing the lookups that had no reference when the row was sent last
 * @param answers the last of each lookup
 */
public record JoinedRow(
    String columns,
    String values,
    long sequenceNumber,
    long lsn,
    long committedAt,
    long version,
    String[] missing,
    LookupAnswer[] answers) {

  static final JoinedRow NONE =
      new JoinedRow("", "", 0, 0, 0, 0, new String[0], new LookupAnswer[0]);

  boolean exists() {
    return !values.isEmpty();
  }

  /** The last answer of a lookup; null: there was none. */
  LookupAnswer answer(String lookup) {
    for (LookupAnswer answer : answers) {
      if (answer.lookup().equals(lookup)) {
        return answer;
      }
    }
    return null;
  }

  /** Whether no later answer of the same lookup is there. */
  boolean isNews(LookupAnswer answer) {
    LookupAnswer before = answer(answer.lookup());
    return before == null || before.sequenceNumber() <= answer.sequenceNumber();
  }

  /** The same with an answer. */
  JoinedRow with(LookupAnswer answer) {
    LookupAnswer before = answer(answer.lookup());
    LookupAnswer[] now =
        Arrays.copyOf(answers, before == null ? answers.length + 1 : answers.length);
    int place = before == null ? answers.length : Arrays.asList(answers).indexOf(before);
    now[place] = answer;
    return new JoinedRow(columns, values, sequenceNumber, lsn, committedAt, version, missing, now);
  }

  /** The same after a version was sent. */
  JoinedRow sent(long as, String[] nowMissing) {
    return new JoinedRow(
        columns, values, sequenceNumber, lsn, committedAt, as, nowMissing, answers);
  }
}

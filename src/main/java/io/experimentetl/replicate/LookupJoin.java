package io.experimentetl.replicate;

import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.TextList;
import io.experimentetl.warehouse.ReplicatedEncoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Joins the rows of one table with what their references say. */
final class LookupJoin {
  /**
   * A row with the columns of its lookups before its own.
   *
   * @param missing the lookups whose reference does not exist, or has a value that the column
   *     cannot hold; one that waits for its answer stays as it was
   */
  record Joined(ReplicatedRow row, Set<String> missing) {}

  private final ReplicatedTable table;
  private final ReplicatedEncoder encoder;
  private final RowValues columns = new RowValues();

  LookupJoin(ReplicatedTable table) {
    this.table = table;
    this.encoder = new ReplicatedEncoder(table);
  }

  /** Whether every reference that the row names has answered its last change. */
  boolean isAnswered(ReplicatedRow row, JoinedRow known) {
    for (Lookup lookup : table.lookups()) {
      LookupAnswer answer = known.answer(table.idOf(lookup));
      if (LookupRequests.referenceOf(row, lookup, columns) != null && !isAnswered(answer, known)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isAnswered(LookupAnswer answer, JoinedRow known) {
    return answer != null && answer.sequenceNumber() == known.sequenceNumber();
  }

  /** The row with what its references have answered to its last change. */
  Joined joined(ReplicatedRow row, JoinedRow known) {
    List<String> names = new ArrayList<>();
    List<String> values = new ArrayList<>();
    Set<String> missing = new TreeSet<>();
    for (Lookup lookup : table.lookups()) {
      String id = table.idOf(lookup);
      LookupAnswer answer = known.answer(id);
      boolean namesOne = LookupRequests.referenceOf(row, lookup, columns) != null;
      boolean isAnswered = isAnswered(answer, known);
      List<String> found =
          namesOne && isAnswered && answer.values() != null
              ? TextList.parse(answer.values())
              : null;
      boolean fits = true;
      for (int i = 0; i < lookup.columns().size(); i++) {
        String value = found == null ? null : found.get(i);
        boolean holds = encoder.holds(lookup.columns().get(i).own(), value);
        names.add(lookup.columns().get(i).own());
        values.add(holds ? value : null);
        fits &= holds;
      }
      boolean lacks =
          isAnswered ? found == null || !fits : Arrays.asList(known.missing()).contains(id);
      if (namesOne && lacks) {
        missing.add(id);
      }
    }
    return new Joined(
        new ReplicatedRow(
            row.key(),
            row.table(),
            TextList.of(names) + row.columns(),
            TextList.of(values) + row.values()),
        missing);
  }
}

package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ReplicatedRow;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.util.OutputTag;

/**
 * Spreads the rows of replicated tables. All changes of one key are in one bucket, in their order,
 * and a TRUNCATE goes to every bucket of its table.
 */
public final class ReplicatedBuckets {
  /** The output of {@code route} for their rows and truncates. */
  public static final OutputTag<Change> OUTPUT =
      new OutputTag<>("replicated", ChangeTypeInfo.INSTANCE);

  private static final int BUCKETS = 128;

  private ReplicatedBuckets() {}

  /** The bucket of a row or a truncate, as text: the hash of a text is the same on every JVM. */
  public static String keyOf(Change change) {
    ReplicatedRow row = rowOf(change);
    return isTruncate(change) ? row.table() + "/" + row.columns() : keyOf(row.table(), row.key());
  }

  /** The bucket of a row of this table with this key. */
  public static String keyOf(String table, String key) {
    return table + "/" + Math.floorMod(key.hashCode(), BUCKETS);
  }

  /** Whether the change is one of {@link #ofEveryBucket}. */
  public static boolean isTruncate(Change change) {
    return change.kind() == ChangeKind.TRUNCATE || change.kind() == ChangeKind.RETENTION_TRUNCATE;
  }

  /** Whether it is the one of the first bucket, which reports it. */
  public static boolean isFirst(Change truncate) {
    return rowOf(truncate).columns().equals("0");
  }

  /** The row as it is after the change, or was before its delete. */
  public static ReplicatedRow rowOf(Change change) {
    return (ReplicatedRow) change.row();
  }

  /** The change; a truncate for each bucket of its table. */
  static List<Change> of(Change change) {
    return isTruncate(change) ? ofEveryBucket(change, rowOf(change)) : List.of(change);
  }

  private static List<Change> ofEveryBucket(Change truncate, ReplicatedRow table) {
    List<Change> truncates = new ArrayList<>();
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
      truncates.add(
          truncate.as(
              truncate.kind(),
              new ReplicatedRow(table.key(), table.table(), Integer.toString(bucket), ""),
              null));
    }
    return truncates;
  }
}

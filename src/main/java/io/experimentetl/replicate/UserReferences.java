package io.experimentetl.replicate;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.TextList;
import io.experimentetl.model.UserRow;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;

/** {@code looked-up-users}: offers the mapped users to the lookups that name them. */
public final class UserReferences
    implements FlatMapFunction<Either<ProgressMarker, Change>, LookupInput> {
  private static final long serialVersionUID = 1L;

  private final HashMap<String, Lookup> lookups = new HashMap<>();

  public UserReferences(List<ReplicatedTable> tables) {
    for (ReplicatedTable table : tables) {
      for (Lookup lookup : table.lookups()) {
        if (lookup.isOfUsers()) {
          lookups.put(table.idOf(lookup), lookup);
        }
      }
    }
  }

  /** Whether any lookup names the users. */
  public boolean isNeeded() {
    return !lookups.isEmpty();
  }

  @Override
  public void flatMap(Either<ProgressMarker, Change> user, Collector<LookupInput> output) {
    if (user.isLeft()
        || user.right().kind() == ChangeKind.RETENTION_DELETE
        || !(user.right().row() instanceof UserRow row)) {
      return;
    }
    Change change = user.right();
    boolean exists = change.after() != null;
    for (Map.Entry<String, Lookup> lookup : lookups.entrySet()) {
      List<String> values =
          lookup.getValue().lookedUp().stream().map(column -> valueOf(row, column)).toList();
      output.collect(
          new LookupInput(
              lookup.getKey(),
              KeyText.of(List.of(row.userId())),
              null,
              null,
              change.sequenceNumber(),
              exists,
              exists ? TextList.of(values) : null));
    }
  }

  private static String valueOf(UserRow row, String column) {
    return switch (column) {
      case "email" -> row.email();
      case "name" -> row.name();
      case "is_active" -> Boolean.toString(row.active());
      default -> throw new IllegalArgumentException("No column " + column + " is looked up.");
    };
  }
}

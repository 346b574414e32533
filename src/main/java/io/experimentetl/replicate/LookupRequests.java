package io.experimentetl.replicate;

import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.Change;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.TextList;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;

/**
 * Asks for the references of rows, and offers rows as references. It knows which references each
 * row named last, so that none is left to a row that does not name it any more.
 */
final class LookupRequests {
  /** By a row's key: the references that it names, one for each lookup of its table. */
  static final MapStateDescriptor<String, String> REFERENCES =
      new MapStateDescriptor<>("references", Types.STRING, Types.STRING);

  private record Target(String id, Lookup lookup) {}

  private final MapState<String, String> references;
  private final Consumer<LookupInput> output;
  private final Map<String, List<Target>> ofTable = new HashMap<>();
  private final Map<String, List<Target>> ofReference = new HashMap<>();
  private final Map<String, List<String>> keys = new HashMap<>();
  private final RowValues columns = new RowValues();

  /**
   * The requests of one subtask.
   *
   * @param references keyed as the rows are
   */
  LookupRequests(
      List<ReplicatedTable> tables,
      MapState<String, String> references,
      Consumer<LookupInput> output) {
    this.references = references;
    this.output = output;
    for (ReplicatedTable table : tables) {
      keys.put(table.name(), table.key());
      for (Lookup lookup : table.lookups()) {
        Target target = new Target(table.idOf(lookup), lookup);
        ofTable.computeIfAbsent(table.name(), name -> new ArrayList<>()).add(target);
        ofReference.computeIfAbsent(lookup.target(), name -> new ArrayList<>()).add(target);
      }
    }
  }

  /** The reference that a row names; null: a column that names it is NULL. */
  static String referenceOf(ReplicatedRow row, Lookup lookup, RowValues columns) {
    List<String> values = columns.of(row, lookup.reference());
    return values.contains(null) ? null : KeyText.of(values);
  }

  /** The row is written: it names these references from now on. */
  void request(Change change) throws Exception {
    ReplicatedRow row = (ReplicatedRow) change.after();
    List<Target> targets = ofTable.get(row.table());
    if (targets == null) {
      return;
    }
    List<String> before = named(row.key(), targets);
    List<String> now = new ArrayList<>();
    for (int i = 0; i < targets.size(); i++) {
      String reference = referenceOf(row, targets.get(i).lookup, columns);
      now.add(reference);
      if (before.get(i) != null && !before.get(i).equals(reference)) {
        send(targets.get(i), before.get(i), row.table(), row.key(), change, false);
      }
      if (reference != null) {
        send(targets.get(i), reference, row.table(), row.key(), change, true);
      }
    }
    if (!now.equals(before)) {
      references.put(row.key(), TextList.of(now));
    }
  }

  /** The source has no such row any more. */
  void release(String table, String key, Change change) throws Exception {
    List<Target> targets = ofTable.get(table);
    if (targets == null) {
      return;
    }
    List<String> before = named(key, targets);
    for (int i = 0; i < targets.size(); i++) {
      if (before.get(i) != null) {
        send(targets.get(i), before.get(i), table, key, change, false);
      }
    }
    references.remove(key);
  }

  private List<String> named(String key, List<Target> targets) throws Exception {
    String named = references.get(key);
    List<String> before = new ArrayList<>(named == null ? List.of() : TextList.parse(named));
    while (before.size() < targets.size()) {
      before.add(null);
    }
    return before;
  }

  private void send(
      Target target, String reference, String table, String key, Change change, boolean present) {
    output.accept(
        new LookupInput(target.id, reference, table, key, change.sequenceNumber(), present, null));
  }

  /** The row as others name it. What retention has deleted stays with the rows that name it. */
  void offer(Change change) {
    ReplicatedRow row = (ReplicatedRow) change.row();
    for (Target target : ofReference.getOrDefault(row.table(), List.of())) {
      List<String> sorted = keys.get(row.table());
      List<String> values = ReplicatedTable.keyValues(row);
      String reference =
          KeyText.of(
              target.lookup.key().stream()
                  .map(column -> values.get(sorted.indexOf(column)))
                  .map(Objects::requireNonNull)
                  .toList());
      boolean exists = change.after() != null;
      output.accept(
          new LookupInput(
              target.id,
              reference,
              null,
              null,
              change.sequenceNumber(),
              exists,
              exists ? TextList.of(columns.of(row, target.lookup.lookedUp())) : null));
    }
  }
}

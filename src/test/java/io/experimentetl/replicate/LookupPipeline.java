package io.experimentetl.replicate;

import io.experimentetl.cdc.ReplicatedBuckets;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.Lookup.Names;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.ReplicatedTable.Column;
import io.experimentetl.mapping.ReplicatedTable.NewColumns;
import io.experimentetl.mapping.ReplicatedTable.Truncate;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Finding;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TextList;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code replicate}, {@code look-up}, {@code join-lookups} and {@code missing-lookups} with the
 * channels between their subtasks. Each channel keeps its order; which one delivers next is random.
 *
 * <p>Bets name an event and the next event. Events are sorted by category, and their key is the id.
 */
final class LookupPipeline implements AutoCloseable {
  static final long GRACE = 10_000;

  private final ReplicatedTable bets;
  private final List<ReplicatedTable> tables;
  private final Random random;
  private final Map<String, Deque<Runnable>> channels = new LinkedHashMap<>();
  private final Map<String, Long> versions = new HashMap<>();

  /** Which reference answers. */
  private final Map<List<Object>, String> references = new HashMap<>();

  /** What ClickHouse holds: by a row's key its looked-up columns, kind and note. */
  final Map<String, String> warehouse = new TreeMap<>();

  /** What was sent, in its order. */
  final List<String> sent = new ArrayList<>();

  final List<String> findings = new ArrayList<>();

  private KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, Finding>>
      replicate;
  private KeyedTwoInputStreamOperatorTestHarness<
          String, LookupInput, Either<ProgressMarker, Change>, Either<Change, LookupAnswer>>
      lookUp;
  private KeyedTwoInputStreamOperatorTestHarness<
          String, Either<Change, LookupAnswer>, Either<ProgressMarker, Change>, LookupMisses>
      join;
  private KeyedOneInputStreamOperatorTestHarness<
          String, LookupMisses, Either<ProgressMarker, Finding>>
      missing;
  private OperatorSubtaskState[] states = new OperatorSubtaskState[4];
  private long sequenceNumber;
  private long now;
  private long checkpoint;
  private boolean snapshotDone = true;

  LookupPipeline(boolean rewrite, Random random) throws Exception {
    this.random = random;
    ReplicatedTable events =
        table(
            0,
            "events",
            List.of("category"),
            List.of(),
            List.of("category", "id"),
            List.of(
                new Column("id", "Int64", false),
                new Column("category", "String", false),
                new Column("name", "Int32", true)));
    bets =
        table(
            1,
            "bets",
            List.of(),
            List.of(
                new Lookup(
                    "replicate[1].lookups[0]",
                    "events",
                    List.of(new Names("event_id", "id")),
                    List.of(new Names("event_name", "name")),
                    rewrite),
                new Lookup(
                    "replicate[1].lookups[1]",
                    "events",
                    List.of(new Names("next_id", "id")),
                    List.of(new Names("next_name", "name")),
                    rewrite)),
            List.of("id"),
            List.of(
                new Column("id", "Int64", false),
                new Column("event_id", "Int64", true),
                new Column("next_id", "Int64", true),
                new Column("event_name", "Int32", true),
                new Column("next_name", "Int32", true)));
    tables = List.of(events, bets);
    open();
  }

  private static ReplicatedTable table(
      int index,
      String name,
      List<String> orderBy,
      List<Lookup> lookups,
      List<String> key,
      List<Column> columns) {
    return new ReplicatedTable(
        index,
        "shop",
        name,
        name,
        orderBy,
        null,
        null,
        Truncate.APPLY,
        NewColumns.JSON,
        lookups,
        List.of(),
        key,
        columns);
  }

  private void open() throws Exception {
    replicate =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new ReplicateOperator(tables, null, null),
            ReplicatedBuckets::keyOf,
            null,
            Types.STRING);
    replicate.setup(ReplicateOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    lookUp =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new LookupOperator(tables, Duration.ofMillis(GRACE)),
            LookupInput::keyOf,
            null,
            Types.STRING);
    lookUp.setup(JoinOperator.INPUT.createSerializer(new SerializerConfigImpl()));
    join =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new JoinOperator(tables), JoinOperator::keyOf, null, Types.STRING);
    join.setup(JoinOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    missing =
        new KeyedOneInputStreamOperatorTestHarness<>(
            new LookupFindingsOperator(tables), LookupMisses::lookup, Types.STRING);
    missing.setup(ReplicateOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    if (states[0] != null) {
      replicate.initializeState(states[0]);
      lookUp.initializeState(states[1]);
      join.initializeState(states[2]);
      missing.initializeState(states[3]);
    }
    replicate.open();
    lookUp.open();
    join.open();
    missing.open();
    mark();
    lookUp.setProcessingTime(now);
  }

  /** From now on the snapshot is being read, or is complete. */
  void inSnapshot(boolean reading) throws Exception {
    snapshotDone = !reading;
    mark();
  }

  private void mark() throws Exception {
    lookUp.processElement2(
        new StreamRecord<>(
            Either.Left(new ProgressMarker(sequenceNumber, 0, 0, snapshotDone, true))));
  }

  @Override
  public void close() throws Exception {
    replicate.close();
    lookUp.close();
    join.close();
    missing.close();
  }

  static ReplicatedRow bet(long id, Long event, Long next, String note) {
    List<String> values = new ArrayList<>();
    values.add(Long.toString(id));
    values.add(event == null ? null : event.toString());
    values.add(next == null ? null : next.toString());
    values.add(note);
    return new ReplicatedRow(
        KeyText.of(List.of("bets", Long.toString(id))),
        "bets",
        TextList.of(List.of("id", "event_id", "next_id", "note")),
        TextList.of(values));
  }

  static ReplicatedRow event(long id, String category, String name) {
    return new ReplicatedRow(
        KeyText.of(List.of("events", category, Long.toString(id))),
        "events",
        TextList.of(List.of("id", "category", "name")),
        TextList.of(List.of(Long.toString(id), category, name)));
  }

  void write(ReplicatedRow before, ReplicatedRow after) throws Exception {
    sequenceNumber += RowVersion.SEQUENCE_NUMBER_STEP;
    if (before != null && !before.key().equals(after.key())) {
      send(ChangeKind.KEY_CHANGE, before, null);
    }
    send(before == null ? ChangeKind.INSERT : ChangeKind.UPDATE, before, after);
  }

  void delete(ChangeKind kind, ReplicatedRow before) throws Exception {
    sequenceNumber += RowVersion.SEQUENCE_NUMBER_STEP;
    send(kind, before, null);
  }

  void truncate(String table) throws Exception {
    sequenceNumber += RowVersion.SEQUENCE_NUMBER_STEP;
    for (int bucket = 0; bucket < 128; bucket++) {
      send(
          ChangeKind.TRUNCATE, new ReplicatedRow(table, table, Integer.toString(bucket), ""), null);
    }
  }

  private void send(ChangeKind kind, ReplicatedRow before, ReplicatedRow after) throws Exception {
    Change change =
        new Change(
            SourceTable.REPLICATED,
            kind,
            sequenceNumber,
            new SourcePosition(sequenceNumber, sequenceNumber, sequenceNumber, 0, 1),
            before,
            after);
    replicate.processElement1(new StreamRecord<>(change));
    String sender = ReplicatedBuckets.keyOf(change);
    for (StreamRecord<LookupInput> input : taken(replicate, ReplicateOperator.lookups())) {
      if (input.getValue().present()) {
        references.put(asked(input.getValue()), LookupInput.keyOf(input.getValue()));
      }
      channel(sender + ">" + LookupInput.keyOf(input.getValue()))
          .add(() -> lookUp(input.getValue()));
    }
    for (StreamRecord<Either<Change, LookupAnswer>> row :
        taken(replicate, ReplicateOperator.rows())) {
      channel(sender + ">join").add(() -> join(row.getValue()));
    }
  }

  private static List<Object> asked(LookupInput input) {
    return Arrays.asList(input.lookup(), input.row(), input.sequenceNumber());
  }

  private static List<Object> asked(LookupAnswer answer) {
    return Arrays.asList(answer.lookup(), answer.row(), answer.sequenceNumber());
  }

  private static <T> List<StreamRecord<T>> taken(
      KeyedTwoInputStreamOperatorTestHarness<?, ?, ?, ?> harness, OutputTag<T> tag) {
    Queue<StreamRecord<T>> queue = harness.getSideOutput(tag);
    if (queue == null) {
      return List.of();
    }
    List<StreamRecord<T>> all = List.copyOf(queue);
    queue.clear();
    return all;
  }

  private Deque<Runnable> channel(String name) {
    return channels.computeIfAbsent(name, key -> new ArrayDeque<>());
  }

  private void lookUp(LookupInput input) {
    try {
      lookUp.processElement1(new StreamRecord<>(input));
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
    takeAnswers();
  }

  @SuppressWarnings("unchecked")
  private void takeAnswers() {
    for (Object element : lookUp.getOutput()) {
      Either<Change, LookupAnswer> answer =
          (Either<Change, LookupAnswer>) ((StreamRecord<?>) element).getValue();
      String sender = references.get(asked(answer.right()));
      channel(sender + ">" + JoinOperator.keyOf(answer)).add(() -> join(answer));
    }
    lookUp.getOutput().clear();
  }

  private void join(Either<Change, LookupAnswer> input) {
    try {
      join.processElement1(new StreamRecord<>(input));
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
    takeJoined();
  }

  private void takeJoined() {
    for (StreamRecord<Either<ProgressMarker, Change>> sent :
        taken(join, ReplicateOperator.outputOf(bets))) {
      store(sent.getValue().right());
    }
  }

  /** As ReplacingMergeTree does; a version is never sent twice. */
  private void store(Change change) {
    ReplicatedRow row = ReplicatedBuckets.rowOf(change);
    long version =
        RowVersion.ofSequenceNumber(change.sequenceNumber())
            + (row.revision() == null ? 0 : row.revision());
    Long before = versions.put(row.key(), version);
    if (before != null && before >= version) {
      throw new AssertionError(row + " was sent as " + version + " after " + before);
    }
    if (row.values().isEmpty()) {
      warehouse.remove(row.key());
      return;
    }
    List<String> names = TextList.parse(row.columns());
    List<String> values = TextList.parse(row.values());
    String shown =
        "%s %s %s%s"
            .formatted(
                values.get(names.indexOf("event_name")),
                values.get(names.indexOf("next_name")),
                values.get(names.indexOf("note")),
                change.kind() == ChangeKind.RETENTION_DELETE ? " kept" : "");
    warehouse.put(row.key(), shown);
    sent.add(shown);
  }

  /** Lets a few channels deliver. */
  void deliver(int records) {
    for (int i = 0; i < records; i++) {
      List<String> full =
          channels.entrySet().stream()
              .filter(entry -> !entry.getValue().isEmpty())
              .map(Map.Entry::getKey)
              .toList();
      if (full.isEmpty()) {
        return;
      }
      channels.get(full.get(random.nextInt(full.size()))).remove().run();
    }
  }

  void deliverAll() {
    deliver(Integer.MAX_VALUE);
  }

  void pass(long millis) throws Exception {
    now += millis;
    lookUp.setProcessingTime(now);
    takeAnswers();
  }

  /** Everything before the barrier arrives before it. */
  @SuppressWarnings("unchecked")
  void checkpoint() throws Exception {
    deliverAll();
    checkpoint++;
    replicate.prepareSnapshotPreBarrier(checkpoint);
    states[0] = replicate.snapshot(checkpoint, now);
    lookUp.prepareSnapshotPreBarrier(checkpoint);
    states[1] = lookUp.snapshot(checkpoint, now);
    join.prepareSnapshotPreBarrier(checkpoint);
    takeJoined();
    states[2] = join.snapshot(checkpoint, now);
    for (Object element : join.getOutput()) {
      missing.processElement(
          new StreamRecord<>((LookupMisses) ((StreamRecord<?>) element).getValue()));
    }
    join.getOutput().clear();
    missing.prepareSnapshotPreBarrier(checkpoint);
    states[3] = missing.snapshot(checkpoint, now);
    for (Object element : missing.getOutput()) {
      Finding finding =
          ((Either<ProgressMarker, Finding>) ((StreamRecord<?>) element).getValue()).right();
      findings.add(
          (finding.open() ? "open " : "resolved ") + finding.subject() + ": " + finding.detail());
    }
    missing.getOutput().clear();
  }

  /** Stops and starts from the last checkpoint, behind which nothing was sent. */
  void restart() throws Exception {
    close();
    open();
    takeAnswers();
  }

  /** The rows that the operators hold in state. */
  int heldRows() {
    return join.numKeyedStateEntries() + lookUp.numKeyedStateEntries();
  }
}

package io.experimentetl.replicate;

import io.experimentetl.cdc.ChangeTypeInfo;
import io.experimentetl.cdc.ReplicatedBuckets;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code join-lookups}: sends a row when all its references have answered its last change, at the
 * latest before the next barrier, and again when one of them answers anew. A row that goes out
 * before an answer has NULL for it: so ClickHouse has every row up to the progress marker, and its
 * lookups as a join in PostgreSQL gives them. Rows and answers come over different ways: an answer
 * may overtake its row, and one to an earlier change of the row counts no more. A row that was
 * deleted is known until the next barrier, which every answer to it has passed.
 */
public final class JoinOperator extends AbstractStreamOperator<LookupMisses>
    implements TwoInputStreamOperator<
        Either<Change, LookupAnswer>, Either<ProgressMarker, Change>, LookupMisses> {
  private static final long serialVersionUID = 1L;

  public static final TypeInformation<Either<Change, LookupAnswer>> INPUT =
      new EitherTypeInfo<>(ChangeTypeInfo.INSTANCE, TypeInformation.of(LookupAnswer.class));

  public static final TypeInformation<LookupMisses> TYPE = TypeInformation.of(LookupMisses.class);

  private static final MapStateDescriptor<String, JoinedRow> ROWS =
      new MapStateDescriptor<>("rows", Types.STRING, TypeInformation.of(JoinedRow.class));

  private static final ListStateDescriptor<String> LOOKUPS =
      new ListStateDescriptor<>("lookups", Types.STRING);

  /** A row, which may be known by its place alone. */
  private record Place(String table, String row) {
    String bucket() {
      return ReplicatedBuckets.keyOf(table, row);
    }
  }

  private final ArrayList<ReplicatedTable> tables = new ArrayList<>();

  private transient Map<String, LookupJoin> joins;
  private transient Map<String, OutputTag<Either<ProgressMarker, Change>>> outputs;
  private transient MapState<String, JoinedRow> rows;
  private transient ListState<String> lookups;
  private transient Set<Place> gone;

  /** Changed since the last barrier, and not answered yet. */
  private transient Set<Place> waiting;

  private transient Map<String, LookupMisses> misses;
  private transient ProgressMarker marker;

  public JoinOperator(List<ReplicatedTable> all) {
    all.stream().filter(table -> !table.lookups().isEmpty()).forEach(tables::add);
  }

  /** The bucket of the row, also of one that a truncate deletes. */
  public static String keyOf(Either<Change, LookupAnswer> input) {
    if (input.isRight()) {
      return ReplicatedBuckets.keyOf(input.right().table(), input.right().row());
    }
    ReplicatedRow row = ReplicatedBuckets.rowOf(input.left());
    return ReplicatedBuckets.keyOf(row.table(), row.key());
  }

  private List<String> declared() {
    Set<String> declared = new TreeSet<>();
    tables.forEach(
        table ->
            table
                .lookups()
                .forEach(
                    lookup ->
                        declared.add(
                            "%s: %s on %s, %s, %s"
                                .formatted(
                                    table.name(),
                                    lookup.target(),
                                    lookup.on(),
                                    lookup.columns(),
                                    lookup.rewrite()))));
    return List.copyOf(declared);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    lookups = context.getOperatorStateStore().getUnionListState(LOOKUPS);
    Set<String> before = new TreeSet<>();
    lookups.get().forEach(before::add);
    if (context.isRestored() && !List.copyOf(before).equals(declared())) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "replicate: the job's state has the lookups %s, and the configuration has %s. Rows that the job has read already are not joined anew: restore the former lookups, or start the job without state, into empty tables."
                  .formatted(before, declared())));
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    lookups.update(declared());
  }

  @Override
  public void open() throws Exception {
    super.open();
    rows = getRuntimeContext().getMapState(ROWS);
    joins = new HashMap<>();
    outputs = new HashMap<>();
    for (ReplicatedTable table : tables) {
      joins.put(table.name(), new LookupJoin(table));
      outputs.put(table.name(), ReplicateOperator.outputOf(table));
    }
    gone = new HashSet<>();
    waiting = new HashSet<>();
    misses = new HashMap<>();
  }

  @Override
  public void processElement1(StreamRecord<Either<Change, LookupAnswer>> record) throws Exception {
    if (record.getValue().isRight()) {
      LookupAnswer answer = record.getValue().right();
      JoinedRow before = known(answer.row());
      if (before.isNews(answer)) {
        sendIfComplete(answer.table(), answer.row(), before.with(answer));
      }
      return;
    }
    Change change = record.getValue().left();
    ReplicatedRow row = ReplicatedBuckets.rowOf(change);
    JoinedRow before = known(row.key());
    JoinedRow now =
        new JoinedRow(
            row.columns(),
            change.after() == null ? "" : row.values(),
            change.sequenceNumber(),
            change.position().lsn(),
            change.position().committedAt(),
            before.version(),
            before.missing(),
            before.answers());
    if (now.exists()) {
      sendIfComplete(row.table(), row.key(), now);
      return;
    }
    LookupJoin join = joins.get(row.table());
    ReplicatedRow last =
        change.kind() == ChangeKind.RETENTION_DELETE
            ? join.joined(row, before).row()
            : ReplicatedRow.ofKey(row.key(), row.table());
    send(change.as(change.kind(), last, null), last, now, Set.of());
  }

  private JoinedRow known(String key) throws Exception {
    JoinedRow known = rows.get(key);
    return known == null ? JoinedRow.NONE : known;
  }

  private void sendIfComplete(String table, String key, JoinedRow now) throws Exception {
    LookupJoin join = joins.get(table);
    ReplicatedRow row = new ReplicatedRow(key, table, now.columns(), now.values());
    if (now.exists() && join.isAnswered(row, now)) {
      sendJoined(row, now);
      return;
    }
    rows.put(key, now);
    if (now.exists()) {
      waiting.add(new Place(table, key));
    }
  }

  private void sendJoined(ReplicatedRow row, JoinedRow now) throws Exception {
    LookupJoin.Joined joined = joins.get(row.table()).joined(row, now);
    Change change =
        new Change(
            SourceTable.REPLICATED,
            ChangeKind.INSERT,
            now.sequenceNumber(),
            new SourcePosition(0, now.lsn(), 0, 0, now.committedAt()),
            null,
            joined.row());
    send(change, joined.row(), now, joined.missing());
  }

  /** Sends the row in a version above the last one, and keeps it. */
  private void send(Change change, ReplicatedRow row, JoinedRow now, Set<String> missing)
      throws Exception {
    long own = RowVersion.ofSequenceNumber(now.sequenceNumber());
    long version = Math.max(own, now.version() + 1);
    ReplicatedRow sent = version == own ? row : row.revised(version - own);
    Set<String> before = Set.copyOf(Arrays.asList(now.missing()));
    for (String lookup : missing) {
      if (!before.contains(lookup)) {
        miss(LookupMisses.of(lookup, true, row.key(), change));
      }
    }
    for (String lookup : before) {
      if (!missing.contains(lookup)) {
        miss(LookupMisses.of(lookup, false, row.key(), change));
      }
    }
    Place place = new Place(row.table(), row.key());
    waiting.remove(place);
    rows.put(row.key(), now.sent(version, missing.toArray(String[]::new)));
    if (!now.exists()) {
      gone.add(place);
    }
    Change versioned =
        change.after() == null
            ? change.as(change.kind(), sent, null)
            : change.as(change.kind(), null, sent);
    output.collect(outputs.get(row.table()), new StreamRecord<>(Either.Right(versioned)));
  }

  private void miss(LookupMisses more) {
    misses.merge(more.lookup(), more, LookupMisses::plus);
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record) {
    if (record.getValue().isLeft()) {
      marker = record.getValue().left();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    for (Place place : List.copyOf(waiting)) {
      setCurrentKey(place.bucket());
      JoinedRow now = known(place.row);
      sendJoined(new ReplicatedRow(place.row, place.table, now.columns(), now.values()), now);
    }
    misses.values().forEach(more -> output.collect(new StreamRecord<>(more)));
    misses.clear();
    for (Place place : gone) {
      setCurrentKey(place.bucket());
      if (!known(place.row).exists()) {
        rows.remove(place.row);
      }
    }
    gone.clear();
    if (marker != null) {
      outputs.values().forEach(tag -> output.collect(tag, new StreamRecord<>(Either.Left(marker))));
    }
  }
}

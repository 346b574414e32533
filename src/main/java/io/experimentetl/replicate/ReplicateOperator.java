package io.experimentetl.replicate;

import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.cdc.ReplicatedBuckets;
import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.ReplicatedTable.NewColumns;
import io.experimentetl.mapping.ReplicatedTable.Truncate;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Lsn;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.quality.FindingVersions;
import io.experimentetl.warehouse.ReplicatedEncoder;
import io.experimentetl.warehouse.ReplicatedType.Fit;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code replicate}: sends each row of a replicated table to its own output. It knows the keys that
 * the source holds, so that a TRUNCATE deletes exactly these: a row that retention has deleted at
 * the source stays. A row that ClickHouse cannot hold is a dead letter until it is corrected.
 */
public final class ReplicateOperator extends AbstractStreamOperator<Either<ProgressMarker, Finding>>
    implements TwoInputStreamOperator<
        Change, Either<ProgressMarker, Change>, Either<ProgressMarker, Finding>> {

  private static final long serialVersionUID = 1L;
  private static final Logger LOG = LoggerFactory.getLogger(ReplicateOperator.class);

  public static final TypeInformation<Either<ProgressMarker, Finding>> TYPE =
      TypeInformation.of(new TypeHint<>() {});

  private static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("replicate-findings", TYPE);

  /** Rows of the tables with lookups, in the place of their own outputs. */
  private static final OutputTag<Either<Change, LookupAnswer>> JOINED =
      new OutputTag<>("replicated-rows", JoinOperator.INPUT);

  private static final OutputTag<LookupInput> LOOKUPS =
      new OutputTag<>("lookups", LookupOperator.INPUT);

  private static final Duration DDL_TIMEOUT = Duration.ofMinutes(1);

  private static final MapStateDescriptor<String, Byte> ROWS =
      new MapStateDescriptor<>("rows", Types.STRING, Types.BYTE);

  /** ClickHouse holds the row, or the nearest to it, or it is a dead letter. */
  private static final byte EXACT = 0;

  private static final byte NEAREST = 1;
  private static final byte DEAD_LETTER = 2;

  private final ArrayList<ReplicatedTable> tables;
  private final PostgresSourceSettings source;
  private final ClickHouseConnection warehouse;

  private transient Map<String, ReplicatedEncoder> encoders;
  private transient Map<String, OutputTag<Either<ProgressMarker, Change>>> outputs;
  private transient Map<String, Set<String>> seenColumns;
  private transient MapState<String, Byte> rows;
  private transient LookupRequests requests;
  private transient FindingReporter findings;
  private transient ProgressMarker marker;

  /**
   * The operator.
   *
   * @param source tells the type of a column that is added
   * @param warehouse gets the column
   */
  public ReplicateOperator(
      List<ReplicatedTable> tables, PostgresSourceSettings source, ClickHouseConnection warehouse) {
    this.tables = new ArrayList<>(tables);
    this.source = source;
    this.warehouse = warehouse;
  }

  /** The rows of one table. */
  public static OutputTag<Either<ProgressMarker, Change>> outputOf(ReplicatedTable table) {
    return new OutputTag<>("replicated-" + table.name(), PostgresChanges.TYPE);
  }

  /** The rows of tables with lookups, to be joined. */
  public static OutputTag<Either<Change, LookupAnswer>> rows() {
    return JOINED;
  }

  /** The references that rows name, and rows that others may name. */
  public static OutputTag<LookupInput> lookups() {
    return LOOKUPS;
  }

  /** The findings. */
  public static OutputTag<Either<ProgressMarker, Finding>> findings() {
    return FINDINGS;
  }

  @Override
  public void open() throws Exception {
    super.open();
    rows = getRuntimeContext().getMapState(ROWS);
    requests =
        new LookupRequests(
            tables,
            getRuntimeContext().getMapState(LookupRequests.REFERENCES),
            input -> output.collect(LOOKUPS, new StreamRecord<>(input)));
    encoders = new HashMap<>();
    outputs = new HashMap<>();
    seenColumns = new HashMap<>();
    for (ReplicatedTable table : tables) {
      encoders.put(table.name(), new ReplicatedEncoder(table));
      if (table.lookups().isEmpty()) {
        outputs.put(table.name(), outputOf(table));
      }
      seenColumns.put(table.name(), new HashSet<>());
    }
    findings =
        new FindingReporter(
            output,
            FINDINGS,
            MetricScope.of(getMetricGroup()),
            EnumSet.of(
                FindingCode.S_UNPARSEABLE,
                FindingCode.T_OUT_OF_RANGE,
                FindingCode.C_TRUNCATE,
                FindingCode.C_DELETE_RETENTION));
  }

  @Override
  public void processElement1(StreamRecord<Change> record) throws Exception {
    Change change = record.getValue();
    ReplicatedEncoder encoder = encoders.get(ReplicatedBuckets.rowOf(change).table());
    switch (change.kind()) {
      case TRUNCATE -> truncate(change, encoder);
      case RETENTION_TRUNCATE -> {
        forgetAll(change, encoder);
        report(FindingCode.C_DELETE_RETENTION, change, encoder);
      }
      case DELETE, KEY_CHANGE -> delete(change, encoder);
      case RETENTION_DELETE -> keep(change, encoder);
      default -> write(change, encoder);
    }
  }

  private void write(Change change, ReplicatedEncoder encoder) throws Exception {
    ReplicatedRow row = (ReplicatedRow) change.after();
    addNewColumns(row, encoder);
    ReplicatedEncoder.Holding holding = encoder.holding(row);
    byte now = stateOf(holding.fit());
    Byte before = rows.get(row.key());
    if (before == null || before != now) {
      rows.put(row.key(), now);
      if (before != null) {
        resolve(before, row.key(), change);
      }
    }
    if (now == DEAD_LETTER) {
      findings.report(
          Finding.opened(FindingCode.S_UNPARSEABLE, subject(row.key()))
              .detail(
                  "column %s of %s: ClickHouse's column cannot hold the value"
                      .formatted(holding.column(), encoder.table().qualifiedName()))
              .deadLetterSince(change.position().committedAt())
              .at(change, FindingVersions.of(change)));
      return;
    }
    if (now == NEAREST) {
      findings.report(
          Finding.opened(FindingCode.T_OUT_OF_RANGE, subject(row.key()))
              .detail(
                  "column %s of %s".formatted(holding.column(), encoder.table().qualifiedName()))
              .at(change, FindingVersions.of(change)));
    }
    requests.request(change);
    send(change, encoder);
  }

  private static byte stateOf(Fit fit) {
    return switch (fit) {
      case EXACT -> EXACT;
      case NEAREST -> NEAREST;
      case NONE -> DEAD_LETTER;
    };
  }

  private void delete(Change change, ReplicatedEncoder encoder) throws Exception {
    ReplicatedRow row = (ReplicatedRow) change.before();
    forget(row.key(), change);
    sendTombstone(change, row.key(), encoder);
  }

  /** The row stays, and its contents with it. */
  private void keep(Change change, ReplicatedEncoder encoder) throws Exception {
    ReplicatedRow row = (ReplicatedRow) change.before();
    forget(row.key(), change);
    if (change.isBeforeWhole() && encoder.holding(row).fit() != Fit.NONE) {
      send(change, encoder);
    }
  }

  private void forget(String key, Change change) throws Exception {
    Byte before = rows.get(key);
    if (before != null) {
      rows.remove(key);
      resolve(before, key, change);
    }
    requests.release(ReplicatedBuckets.rowOf(change).table(), key, change);
  }

  private void resolve(byte before, String key, Change change) {
    if (before != EXACT) {
      FindingCode code = before == NEAREST ? FindingCode.T_OUT_OF_RANGE : FindingCode.S_UNPARSEABLE;
      findings.report(
          Finding.resolved(code, subject(key))
              .detail("delivered, or gone at the source")
              .at(change, FindingVersions.below(change)));
    }
  }

  private void truncate(Change change, ReplicatedEncoder encoder) throws Exception {
    ReplicatedTable table = encoder.table();
    if (table.truncate() == Truncate.REFUSE) {
      throw new SuppressRestartsException(
          new IllegalStateException(
              "The table %s was truncated in transaction %d at LSN %s, and the job applies it only if it is told to. If it was meant, set %s.truncate: apply and start the job from its last checkpoint. If it was a mistake, restore the rows in PostgreSQL, and then do the same."
                  .formatted(
                      table.qualifiedName(),
                      change.position().txId(),
                      Lsn.print(change.position().lsn()),
                      table.path())));
    }
    forgetAll(change, encoder);
    report(FindingCode.C_TRUNCATE, change, encoder);
  }

  private void report(FindingCode code, Change truncate, ReplicatedEncoder encoder) {
    if (ReplicatedBuckets.isFirst(truncate)) {
      findings.report(
          Finding.opened(code, Subject.table(encoder.table().name()))
              .detail(
                  "%s was truncated%s"
                      .formatted(
                          encoder.table().qualifiedName(),
                          code == FindingCode.C_DELETE_RETENTION
                              ? " by a retention transaction; ClickHouse keeps the rows"
                              : ""))
              .at(truncate, FindingVersions.of(truncate)));
    }
  }

  /** The source holds no row any more. After a retention transaction ClickHouse does. */
  private void forgetAll(Change truncate, ReplicatedEncoder encoder) throws Exception {
    for (Map.Entry<String, Byte> row : rows.entries()) {
      resolve(row.getValue(), row.getKey(), truncate);
      requests.release(encoder.table().name(), row.getKey(), truncate);
      if (truncate.kind() == ChangeKind.TRUNCATE) {
        sendTombstone(truncate, row.getKey(), encoder);
      }
    }
    rows.clear();
  }

  private static Subject subject(String key) {
    return Subject.row(SourceTable.REPLICATED, key);
  }

  /** A key that ClickHouse cannot hold has no row there. */
  private void sendTombstone(Change change, String key, ReplicatedEncoder encoder) {
    ReplicatedRow row = ReplicatedRow.ofKey(key, encoder.table().name());
    if (encoder.holding(row).fit() != Fit.NONE) {
      send(change.as(change.kind(), row, null), encoder);
    }
  }

  private void send(Change change, ReplicatedEncoder encoder) {
    if (change.kind() != ChangeKind.RETENTION_DELETE) {
      requests.offer(change);
    }
    if (encoder.table().lookups().isEmpty()) {
      output.collect(outputs.get(encoder.table().name()), new StreamRecord<>(Either.Right(change)));
    } else {
      output.collect(JOINED, new StreamRecord<>(Either.Left(change)));
    }
  }

  /** The values are in the JSON object, whether or not a column reads them from there. */
  private void addNewColumns(ReplicatedRow row, ReplicatedEncoder encoder) {
    ReplicatedTable table = encoder.table();
    if (table.newColumns() != NewColumns.ALTER) {
      return;
    }
    for (String column : encoder.newColumnsOf(row)) {
      if (seenColumns.get(table.name()).add(column)) {
        add(table, column);
      }
    }
  }

  private void add(ReplicatedTable table, String column) {
    try (ClickHouseReader reader = new ClickHouseReader(warehouse)) {
      String statement = Replication.addColumn(table, column, source);
      if (statement != null) {
        reader.execute(statement, DDL_TIMEOUT);
        LOG.info("{} has the column {} now.", table.name(), column);
      }
    } catch (SQLException | ClickHouseReadException e) {
      LOG.warn(
          "The column {} could not be added to {}. Its values are in {}; the next start of the job tries again.",
          column,
          table.name(),
          ReplicatedTable.NEW_COLUMNS,
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record) {
    if (record.getValue().isLeft()) {
      marker = record.getValue().left();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) {
    findings.beforeCheckpoint();
    if (marker != null) {
      outputs.values().forEach(tag -> output.collect(tag, new StreamRecord<>(Either.Left(marker))));
    }
  }
}

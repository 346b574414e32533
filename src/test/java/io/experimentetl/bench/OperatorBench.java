package io.experimentetl.bench;

import io.experimentetl.attribution.AttributeOperator;
import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.contrib.streaming.state.EmbeddedRocksDBStateBackend;
import org.apache.flink.contrib.streaming.state.RocksDBConfigurableOptions;
import org.apache.flink.contrib.streaming.state.RocksDBOptions;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;

/** {@code attribute} in Flink's test harness, on RocksDB, with users and rows that are made up. */
final class OperatorBench implements AutoCloseable {
  /** 2026-01-08T00:00:00Z, microseconds since 1970. */
  static final long START = 1_767_830_400_000_000L;

  private static final long SECOND = 1_000_000;
  private static final long ROWS_PER_BARRIER = 20_000;
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private final KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      harness;
  private long lsn = 1_000;
  private long checkpoint;
  private long unflushed;
  private long changedAt = START;

  OperatorBench(JobConfig config) throws Exception {
    harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new AttributeOperator(config), RouteOperator::userOf, null, Types.STRING, 128, 1, 0);
    harness.setStateBackend(
        new EmbeddedRocksDBStateBackend(true)
            .configure(
                new Configuration()
                    .set(RocksDBConfigurableOptions.USE_BLOOM_FILTER, true)
                    // The harness manages 3 MB: every few writes would wait for a flush.
                    .set(RocksDBOptions.USE_MANAGED_MEMORY, false),
                OperatorBench.class.getClassLoader()));
    harness.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
    harness.open();
    harness.setProcessingTime(1_000);
  }

  /** The processor time of the steps, in microseconds. */
  static double cpuMicros(Steps steps) throws Exception {
    long before = THREADS.getCurrentThreadCpuTime();
    steps.run();
    return (THREADS.getCurrentThreadCpuTime() - before) / 1e3;
  }

  /** What is measured. */
  interface Steps {
    void run() throws Exception;
  }

  void experiments(int from, int count) throws Exception {
    for (long id = from; id < from + count; id++) {
      dimension(SourceTable.EXPERIMENTS, experiment(id, null));
      dimension(
          SourceTable.VARIANTS, new VariantRow(id * 10, id, "c", "C", null, 50, true, null, 0, 0));
      dimension(
          SourceTable.VARIANTS,
          new VariantRow(id * 10 + 1, id, "t", "T", null, 50, false, null, 0, 0));
    }
  }

  /** Edits the start of an experiment. */
  void edit(long id, Long startsAt) throws Exception {
    dimension(SourceTable.EXPERIMENTS, experiment(id, startsAt));
  }

  private static ExperimentRow experiment(long id, Long startsAt) {
    return new ExperimentRow(
        id, "exp" + id, "Exp", null, "ACTIVE", null, 1, null, startsAt, null, 0, 0);
  }

  private void dimension(SourceTable table, SourceRow row) throws Exception {
    harness.processElement2(
        new StreamRecord<>(Either.Right(change(table, ChangeKind.INSERT, null, row))));
  }

  /** A user, the assignment and the first exposure in the experiment. */
  void member(String user, long experiment) throws Exception {
    send(SourceTable.USERS, new UserRow(user, null, "A", null, true, 0, 0));
    join(user, experiment);
  }

  /** The assignment of a known user, and the first exposure. */
  void join(String user, long experiment) throws Exception {
    send(
        SourceTable.ASSIGNMENTS,
        new AssignmentRow(
            (lsn + 1) * 7, experiment, user, experiment * 10, 1, "hash", null, START, null, 0, 0));
    send(SourceTable.EVENTS, event(user, experiment, id(user, -experiment), "exposure", SECOND, 1));
  }

  /** Events of a user, in the order of their times. */
  void append(String user, long experiment, long from, long count, String type) throws Exception {
    for (long i = from; i < from + count; i++) {
      send(SourceTable.EVENTS, event(user, experiment, id(user, i), type, (i + 2) * SECOND, 1));
    }
  }

  void updateAll(String user, long experiment, long count, String type) throws Exception {
    changedAt += SECOND;
    for (long i = 0; i < count; i++) {
      EventRow before = event(user, experiment, id(user, i), type, (i + 2) * SECOND, 1);
      EventRow after = event(user, experiment, id(user, i), type, (i + 2) * SECOND, 2);
      element(change(SourceTable.EVENTS, ChangeKind.UPDATE, before, after));
    }
  }

  void deleteAll(String user, long experiment, long count, String type) throws Exception {
    for (long i = 0; i < count; i++) {
      EventRow before = event(user, experiment, id(user, i), type, (i + 2) * SECOND, 1);
      element(change(SourceTable.EVENTS, ChangeKind.DELETE, before, null));
    }
    element(
        new Change(
            null,
            ChangeKind.COMMIT,
            lsn,
            new SourcePosition(lsn - 10, lsn + 5, 1, 0, changedAt),
            null,
            new TransactionEnd(user, false)));
  }

  private static EventId id(String user, long number) {
    return new EventId(user.hashCode() * 0x9E3779B97F4A7C15L, number * 0x9E3779B97F4A7C15L, null);
  }

  private static EventRow event(
      String user, long experiment, EventId id, String type, long after, int value) {
    return TestEvent.of(id, START + after, experiment, user, type)
        .with("variant_id", experiment * 10)
        .with("properties", "{\"revenue\": " + value + "}")
        .row();
  }

  private Change change(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    lsn += 10;
    return new Change(
        table,
        kind,
        lsn,
        new SourcePosition(lsn - 10, lsn, 1, 0, START + 86_400 * SECOND),
        before,
        after);
  }

  private void send(SourceTable table, SourceRow row) throws Exception {
    element(change(table, ChangeKind.INSERT, null, row));
  }

  private void element(Change change) throws Exception {
    StreamRecord<Change> record = new StreamRecord<>(change);
    harness.processElement1(record);
    if (++unflushed >= ROWS_PER_BARRIER) {
      barrier();
    }
  }

  /** Everything that a checkpoint has the operator do before its state is copied. */
  void barrier() throws Exception {
    unflushed = 0;
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(new ProgressMarker(lsn, lsn, START + 86_400 * SECOND, true, true))));
    harness.prepareSnapshotPreBarrier(++checkpoint);
    discardOutput();
  }

  private void discardOutput() {
    harness.getOutput().clear();
    for (var tag :
        List.of(
            AttributeOperator.ASSIGNMENTS,
            AttributeOperator.FINDINGS,
            AttributeOperator.CONTRIBUTIONS,
            AttributeOperator.HEALTH,
            AttributeOperator.CHANGED)) {
      var side = harness.getSideOutput(tag);
      if (side != null) {
        side.clear();
      }
    }
  }

  @Override
  public void close() throws Exception {
    harness.close();
  }
}

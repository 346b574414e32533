package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.faults.FaultProxy;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessageTypeInfo;
import org.apache.flink.streaming.api.connector.sink2.CommittableWithLineage;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The committer behind the sinks of two tables, of which one gets no rows. */
class JointCommitIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final String IDLE = "idle";

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("joint");
  private final FaultProxy proxy = FaultProxy.to(URI.create(database.url()));
  private ClickHouseConnection connection;
  private Job job;
  private long checkpoint;

  @BeforeEach
  void start() throws Exception {
    Reading.createTables(database, 0);
    connection = Reading.connectionTo(proxy.url(), database);
    Reading.keepEveryRow(database);
    job = new Job(null);
  }

  @AfterEach
  void close() throws Exception {
    job.close();
    proxy.close();
  }

  private final class Job {
    private final OneInputStreamOperatorTestHarness<CommittableMessage<Committable>, Void> task;

    Job(OperatorSubtaskState restored) throws Exception {
      task =
          new OneInputStreamOperatorTestHarness<>(
              new CommitOperator(
                  connection, Batches.LIMITS, Duration.ofMinutes(5), List.of(Reading.TABLE, IDLE)),
              CommittableMessageTypeInfo.of(CommittableSerializer::new)
                  .createSerializer(new SerializerConfigImpl()));
      if (restored != null) {
        task.setRestoredCheckpointId(checkpoint);
        task.initializeState(restored);
      }
      task.open();
    }

    void rows(List<SealedBatch> batches) throws Exception {
      for (SealedBatch batch : batches) {
        send(batch);
      }
    }

    void markers(long sequenceNumber) throws Exception {
      for (String table : List.of(Reading.TABLE, IDLE)) {
        send(
            new SealedMarker(
                table,
                0,
                1,
                new ProgressMarker(
                    sequenceNumber, 10 * sequenceNumber, 1_600_000_000_000_000L, true, true),
                1_700_000_000_000L));
      }
    }

    private void send(Committable committable) throws Exception {
      task.processElement(new CommittableWithLineage<>(committable, checkpoint + 1, 0), 0);
    }

    OperatorSubtaskState barrier() throws Exception {
      return task.snapshot(++checkpoint, 0);
    }

    void complete() throws Exception {
      task.notifyOfCompletedCheckpoint(checkpoint);
    }

    void close() throws Exception {
      task.close();
    }
  }

  private String markers() {
    return database.query(
        "SELECT sequence_number, lsn, committed_at, snapshot_done, written_at, lag_limit_seconds FROM etl_sink_progress ORDER BY sequence_number DESC");
  }

  private long physical() {
    return database.count("SELECT count() FROM readings");
  }

  private long requestsOf(Step step) throws Exception {
    long before = proxy.counts().requests();
    step.run();
    return proxy.counts().requests() - before;
  }

  @FunctionalInterface
  private interface Step {
    void run() throws Exception;
  }

  @Test
  void rowsAndOneMarkerBecomeVisibleWithTheirCheckpoint() throws Exception {
    job.rows(Batches.seal(0, 2500));
    job.markers(7);
    job.barrier();
    assertThat(physical()).isZero();
    job.complete();

    assertThat(physical()).isEqualTo(2500);
    assertThat(markers())
        .isEqualTo("7\t70\t2020-09-13 12:26:40.000000\ttrue\t2023-11-14 22:13:20.000\t300");
  }

  @Test
  void checkpointWithoutRowsCostsOneInsertAndNoneIfNothingHasMoved() throws Exception {
    job.rows(Batches.seal(0, 10));
    job.markers(7);
    job.barrier();
    job.complete();

    job.markers(8);
    job.barrier();
    assertThat(requestsOf(job::complete)).isEqualTo(1);
    assertThat(markers()).startsWith("8\t");
    job.markers(8);
    job.barrier();
    assertThat(requestsOf(job::complete)).isZero();
  }

  @Test
  void markerWaitsForTheRowsOfItsCheckpoint() throws Exception {
    job.rows(Batches.seal(0, 10));
    job.markers(7);
    job.barrier();
    database.query("RENAME TABLE readings TO elsewhere");
    assertThatThrownBy(job::complete).isInstanceOf(BatchRefusedException.class);
    assertThat(markers()).isEmpty();
    database.query("RENAME TABLE elsewhere TO readings");
  }

  @Test
  void rowsOfTheNextCheckpointWaitForIt() throws Exception {
    job.rows(Batches.seal(0, 10));
    job.barrier();
    job.rows(Batches.seal(10, 30));
    job.complete();
    assertThat(physical()).isEqualTo(10);
    job.barrier();
    job.barrier();
    job.complete();
    assertThat(physical()).as("the notification of a checkpoint may be lost").isEqualTo(30);
  }

  @Test
  void restoredCheckpointIsCommittedOnce() throws Exception {
    job.rows(Batches.seal(0, 2500));
    job.markers(7);
    OperatorSubtaskState state = job.barrier();
    job.close();
    job = new Job(state);
    assertThat(physical()).isEqualTo(2500);
    assertThat(markers()).startsWith("7\t70");
    job.close();
    job = new Job(state);
    assertThat(physical()).isEqualTo(2500);
  }

  /** The other job claims the table when this job's rows arrive. */
  @Test
  void jobThatLosesATableAfterItsRowsWritesNoMarker() throws Exception {
    database.query(
        "CREATE MATERIALIZED VIEW taking_over TO etl_owners AS SELECT DISTINCT 'readings' AS sink, 'latter' AS job,"
            + " toUInt64(1000) AS epoch, now64(3) AS claimed_at FROM readings");
    job.markers(6);
    job.barrier();
    job.complete();
    job.rows(Batches.seal(0, 10));
    job.markers(7);
    job.barrier();

    assertThatThrownBy(job::complete)
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("Job latter has taken over table readings")
        .hasMessageContaining("the progress marker of sequence number 7");
    assertThat(physical()).isEqualTo(10);
    assertThat(markers()).startsWith("6\t60").hasLineCount(1);
  }

  @Test
  void markerThatTheTableRefusesStopsTheJobWithTheServersMessage() throws Exception {
    job.markers(6);
    job.barrier();
    database.query("ALTER TABLE etl_sink_progress ADD CONSTRAINT early CHECK sequence_number < 6");
    assertThatThrownBy(job::complete)
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("refuses the progress marker of sequence number 6")
        .hasMessageContaining("VIOLATED_CONSTRAINT");
  }
}

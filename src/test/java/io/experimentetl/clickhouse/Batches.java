package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseCommitter.Guard;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;

/** Seals batches of {@link Reading}s and commits them without a job. */
final class Batches {

  /** The committer was not restored. */
  static final long FRESH = -1;

  /** The committer was restored from a checkpoint, and the batches' writer was not. */
  static final long CHECKPOINT = 7;

  /** The job that commits. */
  static final String JOB = "job";

  static final BatchLimits LIMITS =
      BatchLimits.DEFAULT.withRows(1000).withTimes(Duration.ofSeconds(20), Duration.ofSeconds(60));

  static final Set<Guard> ALL = EnumSet.allOf(Guard.class);
  static final Set<Guard> WITHOUT_TOKEN = without(Guard.TOKEN);
  static final Set<Guard> TOKEN_ONLY = EnumSet.of(Guard.TOKEN);

  private Batches() {}

  static Set<Guard> without(Guard first, Guard... more) {
    return EnumSet.complementOf(EnumSet.of(first, more));
  }

  static List<Reading> rows(long from, long to, long version) {
    List<Reading> rows = new ArrayList<>();
    for (long sensor = from; sensor < to; sensor++) {
      rows.add(new Reading(sensor, 202611, "Größe 大 " + sensor, version));
    }
    return rows;
  }

  static List<SealedBatch> seal(long from, long to) throws IOException {
    return sealRows(rows(from, to, 1));
  }

  static List<SealedBatch> sealRows(List<Reading> rows) throws IOException {
    return sealRows(rows, "");
  }

  static List<SealedBatch> sealRows(List<Reading> rows, String folder) throws IOException {
    BatchLimits limits =
        folder.isEmpty()
            ? LIMITS
            : new BatchLimits(
                1000,
                1 << 20,
                4,
                1 << 20,
                10,
                Duration.ofSeconds(1),
                Duration.ofSeconds(1),
                Duration.ZERO);
    BatchSealer<Reading> sealer =
        new BatchSealer<>(
            Reading.ENCODER,
            BatchSealer.Kind.ROWS,
            limits,
            new BatchIds(0),
            folder,
            FRESH,
            System::currentTimeMillis,
            new SinkMemory(Long.MAX_VALUE));
    for (Reading row : rows) {
      sealer.add(row);
    }
    return sealer.sealAll();
  }

  static void commit(
      ClickHouseConnection connection,
      long restoredFrom,
      Set<Guard> guards,
      List<SealedBatch> batches)
      throws Exception {
    commit(connection, LIMITS, restoredFrom, guards, batches);
  }

  static void commit(
      ClickHouseConnection connection,
      BatchLimits limits,
      long restoredFrom,
      Set<Guard> guards,
      List<SealedBatch> batches)
      throws Exception {
    try (ClickHouseCommitter committer = committer(connection, limits, restoredFrom, guards)) {
      committer.commit(requests(batches));
    }
  }

  static ClickHouseCommitter committer(
      ClickHouseConnection connection, BatchLimits limits, long restoredFrom, Set<Guard> guards)
      throws IOException {
    return committer(connection, limits, restoredFrom, guards, JOB);
  }

  static ClickHouseCommitter committer(
      ClickHouseConnection connection,
      BatchLimits limits,
      long restoredFrom,
      Set<Guard> guards,
      String job)
      throws IOException {
    return new ClickHouseCommitter(
        connection,
        limits,
        List.of(Reading.TABLE),
        job,
        restoredFrom,
        guards,
        new UnregisteredMetricsGroup());
  }

  static Collection<Committer.CommitRequest<Committable>> requests(List<SealedBatch> batches) {
    List<Committer.CommitRequest<Committable>> requests = new ArrayList<>();
    batches.forEach(batch -> requests.add(new OnlyCommit(batch)));
    return requests;
  }
}

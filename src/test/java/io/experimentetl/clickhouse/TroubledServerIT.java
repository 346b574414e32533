package io.experimentetl.clickhouse;

import static io.experimentetl.clickhouse.Batches.ALL;
import static io.experimentetl.clickhouse.Batches.CHECKPOINT;
import static io.experimentetl.clickhouse.Batches.FRESH;
import static io.experimentetl.clickhouse.Batches.LIMITS;
import static io.experimentetl.clickhouse.Batches.commit;
import static io.experimentetl.clickhouse.Batches.seal;
import static io.experimentetl.clickhouse.Batches.without;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.clickhouse.ClickHouseCommitter.Guard;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Position;
import io.experimentetl.faults.RequestFault;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A real server that cannot write a batch. The error names the batch and the remedy; after the
 * remedy, the rows are in the table once. The tests count physical rows, in tables without a
 * deduplication window.
 */
class TroubledServerIT {

  private static final int ROWS = 1000;
  private static final String INSERT = "INSERT";
  private static final BatchLimits SHORT_TIMEOUT =
      LIMITS.withTimes(Duration.ofSeconds(1), Duration.ofSeconds(60));
  private static final BatchLimits SHORT_DEADLINE =
      LIMITS.withTimes(Duration.ofSeconds(10), Duration.ofMillis(400));

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("troubled");
  private final FaultProxy proxy = FaultProxy.to(URI.create(database.url()));
  private final List<SealedBatch> batches = sealed();
  private ClickHouseConnection connection;

  private static List<SealedBatch> sealed() {
    try {
      return seal(0, ROWS);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @BeforeEach
  void createTables() {
    Reading.createTables(database, 0);
    Reading.keepEveryRow(database);
    connection = Reading.connectionTo(proxy.url(), database);
  }

  @AfterEach
  void close() {
    proxy.close();
  }

  @Test
  void readOnlyTableGetsTheBatchWhenItIsWritable() throws Exception {
    database.query("ALTER TABLE readings MODIFY SETTING table_readonly = 1");
    assertFailsWith("TABLE_IS_PERMANENTLY_READ_ONLY", "RESET SETTING table_readonly");

    database.query("ALTER TABLE readings MODIFY SETTING table_readonly = 0");
    assertRowsOnceAfterTheRestart();
  }

  @Test
  void readOnlyUserIsReportedAndTheBatchIsKept() throws Exception {
    proxy.next(Integer.MAX_VALUE, INSERT, new RequestFault.WithParameters("readonly=1"));
    assertFailsWith("READONLY", "the user's profile is readonly");

    proxy.heal();
    assertRowsOnceAfterTheRestart();
  }

  /** The request's own settings take precedence over a profile, as over these parameters. */
  @Test
  void profileOfTheUserNeitherBreaksNorSplitsAnInsert() throws Exception {
    database.query("SYSTEM STOP MERGES readings");
    proxy.next(
        Integer.MAX_VALUE,
        INSERT,
        new RequestFault.WithParameters(
            "input_format_native_decode_types_in_binary_format=1&input_format_native_allow_types_conversion=0"
                + "&max_insert_block_size=3&min_insert_block_size_rows=1&min_insert_block_size_bytes=1"
                + "&max_insert_threads=4&async_insert=1&optimize_on_insert=1&insert_deduplicate=0"));
    commit(connection, LIMITS, FRESH, ALL, batches);
    assertThat(
            database.query(
                "SELECT count(), sum(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'readings' AND active"))
        .isEqualTo(batches.size() + "\t" + ROWS);
    database.query("SYSTEM START MERGES readings");
  }

  @Test
  void tableWithTooManyPartsGetsTheBatchAfterMerges() throws Exception {
    database.query(
        "ALTER TABLE readings MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1");
    database.query("SYSTEM STOP MERGES readings");
    database.query(
        "INSERT INTO readings SETTINGS async_insert = 0 VALUES (-1, 202611, '', 1, 'another')");
    assertFailsWith("TOO_MANY_PARTS", "let merges catch up");

    database.query("SYSTEM START MERGES readings");
    database.query(
        "ALTER TABLE readings RESET SETTING parts_to_throw_insert, parts_to_delay_insert");
    assertRowsOnceAfterTheRestart();
  }

  @Test
  void serverOutOfMemoryGetsTheBatchWhenItHasMemory() throws Exception {
    proxy.next(
        Integer.MAX_VALUE,
        INSERT,
        new RequestFault.WithParameters("max_memory_usage=20000&max_untracked_memory=0"));
    assertFailsWith("MEMORY_LIMIT_EXCEEDED", "give the server more memory");

    proxy.heal();
    assertRowsOnceAfterTheRestart();
  }

  @Test
  void diskBelowItsReserveGetsTheBatchWhenThereIsSpace() throws Exception {
    database.query(
        "ALTER TABLE readings MODIFY SETTING min_free_disk_bytes_to_perform_insert ="
            + " 1000000000000000");
    assertFailsWith("NOT_ENOUGH_SPACE", "free or add disk space");

    database.query("ALTER TABLE readings RESET SETTING min_free_disk_bytes_to_perform_insert");
    assertRowsOnceAfterTheRestart();
  }

  /** Needs the right to mount a file system; without it, only the test before runs. */
  @Test
  void fullDiskKeepsNoRowOfABatchAndGetsItWhenThereIsSpace() throws Exception {
    Path disk = PLATFORM.directory().resolve("clickhouse/disks").resolve(database.database());
    Files.createDirectories(disk);
    assumeThat(run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk.toString()))
        .as("may mount a file system")
        .isTrue();
    try {
      database.query("DROP TABLE readings SYNC");
      database.query(
          """
          CREATE TABLE readings (sensor Int64, month UInt32, text String, _version UInt64,
            _batch_id LowCardinality(String))
          ENGINE = ReplacingMergeTree(_version) PARTITION BY month ORDER BY sensor
          SETTINGS disk = disk(type = local, path = '%s/'), min_bytes_for_wide_part = 0,
            old_parts_lifetime = 0"""
              .formatted(disk));
      Path filler = disk.resolve("filler");
      assertThat(run("dd", "if=/dev/zero", "of=" + filler, "bs=1024", "count=3500")).isTrue();

      assertFailsWith("space", "free or add disk space");
      assertThat(database.count("SELECT count() FROM readings")).isZero();

      Files.delete(filler);
      assertRowsOnceAfterTheRestart();
    } finally {
      database.query("DROP TABLE readings SYNC");
      assertThat(run("umount", disk.toString())).isTrue();
    }
  }

  private static boolean run(String... command) throws IOException, InterruptedException {
    return new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor()
        == 0;
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void serverKilledDuringAnInsertHasTheBatchOnceAfterItsRestart(boolean taken) throws Exception {
    proxy.next(
        1,
        INSERT,
        taken
            ? new RequestFault.DelayAnswer(Duration.ofSeconds(30))
            : new RequestFault.StallRequest(Position.BEFORE_LAST_BYTE));
    CompletableFuture<Void> committed = committing();
    await()
        .until(
            () ->
                taken
                    ? physical() == ROWS
                    : proxy.counts().bytesToServer() > batches.get(0).body().length);

    PLATFORM.clickHouse().kill9();
    assertThat(committed).isNotDone();
    PLATFORM.clickHouse().start();
    committed.get();

    assertRowsOnce();
  }

  /** A copy that arrives when the restarted server no longer knows the session. */
  @ParameterizedTest
  @CsvSource({"true, 1", "false, 2"})
  void copyThatArrivesAfterAServerRestartIsRefused(boolean singleUseSession, int times)
      throws Exception {
    proxy.next(1, INSERT, new RequestFault.DelayRequest(Duration.ofSeconds(30)));
    commit(
        connection,
        SHORT_TIMEOUT,
        FRESH,
        singleUseSession ? ALL : without(Guard.SINGLE_USE_SESSION),
        batches);
    assertRowsOnce();
    PLATFORM.clickHouse().kill9();
    PLATFORM.clickHouse().start();

    proxy.releaseDelayed();
    await().until(() -> proxy.inFlight() == 0);

    assertThat(physical()).isEqualTo((long) times * ROWS);
  }

  private CompletableFuture<Void> committing() {
    return CompletableFuture.runAsync(
        () -> {
          try {
            commit(connection, SHORT_TIMEOUT, FRESH, ALL, batches);
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
  }

  private void assertFailsWith(String problem, String remedy) {
    assertThatThrownBy(() -> commit(connection, SHORT_DEADLINE, FRESH, ALL, batches))
        .isInstanceOf(IOException.class)
        .isNotInstanceOf(BatchRefusedException.class)
        .hasMessageContaining(batches.get(0).place())
        .hasMessageContaining("Nothing is lost")
        .hasMessageContaining("Remedy: ")
        .hasMessageContaining(remedy)
        .hasMessageContaining(problem);
  }

  private void assertRowsOnceAfterTheRestart() throws Exception {
    commit(connection, LIMITS, CHECKPOINT, ALL, batches);
    assertRowsOnce();
  }

  private long physical() {
    return database.count("SELECT count() FROM readings WHERE sensor >= 0");
  }

  private void assertRowsOnce() {
    assertThat(
            database.query(
                "SELECT count(), uniqExact(sensor), sum(sensor) FROM readings WHERE sensor >= 0"))
        .isEqualTo(ROWS + "\t" + ROWS + "\t" + ROWS * (ROWS - 1) / 2);
  }
}

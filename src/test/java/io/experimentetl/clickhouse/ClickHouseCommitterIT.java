package io.experimentetl.clickhouse;

import static io.experimentetl.clickhouse.Batches.ALL;
import static io.experimentetl.clickhouse.Batches.CHECKPOINT;
import static io.experimentetl.clickhouse.Batches.FRESH;
import static io.experimentetl.clickhouse.Batches.LIMITS;
import static io.experimentetl.clickhouse.Batches.TOKEN_ONLY;
import static io.experimentetl.clickhouse.Batches.WITHOUT_TOKEN;
import static io.experimentetl.clickhouse.Batches.commit;
import static io.experimentetl.clickhouse.Batches.committer;
import static io.experimentetl.clickhouse.Batches.requests;
import static io.experimentetl.clickhouse.Batches.rows;
import static io.experimentetl.clickhouse.Batches.seal;
import static io.experimentetl.clickhouse.Batches.sealRows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClickHouseCommitterIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("committer");

  @Test
  void committedBatchIsInTheTable() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);

    commit(connection, FRESH, ALL, seal(0, 2500));

    assertThat(count()).isEqualTo(2500);
    assertThat(database.query("SELECT countDistinct(_batch_id) FROM readings")).isEqualTo("3");
    assertThat(database.query("SELECT sum(sensor), uniqExact(text), min(_version) FROM readings"))
        .isEqualTo("3123750\t2500\t1");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 100})
  void restoredBatchIsNotDoubledWithAnyWindow(int window) throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, window);
    List<SealedBatch> batches = seal(0, 2500);

    commit(connection, FRESH, WITHOUT_TOKEN, batches);
    commit(connection, CHECKPOINT, WITHOUT_TOKEN, batches);

    assertThat(count()).isEqualTo(2500);
  }

  @Test
  void batchIsDoubledWithoutProbeAndWindow() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    List<SealedBatch> batches = seal(0, 10);

    commit(connection, FRESH, TOKEN_ONLY, batches);
    commit(connection, CHECKPOINT, TOKEN_ONLY, batches);

    assertThat(count()).isEqualTo(20);
  }

  @Test
  void tokenAlonePreventsADoubledBatch() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    List<SealedBatch> batches = seal(0, 2500);

    commit(connection, FRESH, TOKEN_ONLY, batches);
    commit(connection, CHECKPOINT, TOKEN_ONLY, batches);

    assertThat(count()).isEqualTo(2500);
  }

  @Test
  void missingRestoredBatchIsSent() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);

    commit(connection, CHECKPOINT, ALL, seal(0, 2500));

    assertThat(count()).isEqualTo(2500);
  }

  @Test
  void replacedRowsThatWereMergedAwayAreNotMissing() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    List<SealedBatch> older = seal(0, 100);
    List<SealedBatch> newer = sealRows(rows(50, 150, 2));

    commit(connection, FRESH, ALL, older);
    commit(connection, FRESH, ALL, newer);
    database.query("OPTIMIZE TABLE readings FINAL");
    assertThat(count()).isEqualTo(150);
    commit(connection, CHECKPOINT, ALL, older);

    assertThat(count()).isEqualTo(150);
  }

  @Test
  void partOfABatchStopsTheJob() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    List<SealedBatch> batches = seal(0, 100);
    commit(connection, FRESH, ALL, batches);
    database.query("DELETE FROM readings WHERE sensor < 30");

    assertThatThrownBy(() -> commit(connection, CHECKPOINT, ALL, batches))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("70 rows of batch " + batches.get(0).id() + " of table readings")
        .hasMessageContaining("30 are missing and were not replaced")
        .hasMessageContaining("Remedy");
  }

  @Test
  void remedyForAPartOfABatchWorksAlthoughTheServerRemembersTheToken() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    List<SealedBatch> batches = seal(0, 100);
    commit(connection, FRESH, ALL, batches);
    database.query("DELETE FROM readings WHERE _batch_id = '" + batches.get(0).id() + "'");

    commit(connection, CHECKPOINT, ALL, batches);

    assertThat(count()).isEqualTo(100);
  }

  @Test
  void batchWithRowsOfTwoPartitionsIsRefused() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    database.query("DROP TABLE readings");
    Reading.createReadings(database, "PARTITION BY sensor % 2", 100);

    assertThatThrownBy(() -> commit(connection, FRESH, ALL, seal(0, 10)))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("Too many partitions for single INSERT block");
    assertThat(count()).isZero();
  }

  @Test
  void firstBatchRevealsAWrongPartition() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    database.query("DROP TABLE readings");
    Reading.createReadings(database, "PARTITION BY month + 1", 100);

    assertThatThrownBy(() -> commit(connection, FRESH, ALL, seal(0, 10)))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("are in another partition");
  }

  @Test
  void missingTableStopsTheJobWithTheServersMessage() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    database.query("DROP TABLE readings SYNC");

    assertThatThrownBy(() -> commit(connection, FRESH, ALL, seal(0, 10)))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("UNKNOWN_TABLE");
  }

  @Test
  void unreachableServerGivesAnErrorAtTheDeadline() throws Exception {
    Reading.createTables(database, 100);
    URI nobody;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      nobody = URI.create("http://127.0.0.1:" + socket.getLocalPort());
    }
    BatchLimits hurried = LIMITS.withTimes(Duration.ofSeconds(1), Duration.ofSeconds(1));

    assertThatThrownBy(
            () -> commit(Reading.connectionTo(nobody, database), hurried, FRESH, ALL, seal(0, 10)))
        .isInstanceOf(IOException.class)
        .isNotInstanceOf(BatchRefusedException.class)
        .hasMessageContaining(nobody.toString())
        .hasMessageContaining("Nothing is lost");
  }

  @Test
  void truncatedRequestLeavesNoRows() throws Exception {
    Reading.createTables(database, 100);
    SealedBatch batch = seal(0, 1000).get(0);
    int whole = batch.body().length;

    // The server has received complete frames of complete rows by then, or a part of them.
    for (int sent : new int[] {whole / 3, whole / 2, whole}) {
      assertThat(answerToPartOf(batch.body(), sent, 2 * whole)).doesNotContain("200 OK");
      assertThat(count()).isZero();
    }
    assertThat(answerToPartOf(batch.body(), whole, whole)).contains("200 OK");
    assertThat(count()).isEqualTo(1000);
  }

  private String answerToPartOf(byte[] body, int sent, int announced) throws IOException {
    URI url = URI.create(database.url());
    byte[] login = (database.user() + ":" + database.password()).getBytes(StandardCharsets.UTF_8);
    String head =
        "POST /?database=%s&decompress=1&async_insert=0&wait_end_of_query=1&query=%s HTTP/1.1\r\n"
                .formatted(database.database(), "INSERT%20INTO%20readings%20FORMAT%20Native")
            + "Host: x\r\nConnection: close\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
                .formatted(Base64.getEncoder().encodeToString(login), announced);
    try (Socket socket = new Socket(url.getHost(), url.getPort())) {
      OutputStream out = socket.getOutputStream();
      out.write(head.getBytes(StandardCharsets.US_ASCII));
      out.write(body, 0, sent);
      out.flush();
      socket.shutdownOutput();
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @Test
  void serverKilledDuringCommitsLosesAndDoublesNoRow() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    List<SealedBatch> batches = seal(0, 300_000);
    CompletableFuture<Void> commits =
        CompletableFuture.runAsync(
            () -> {
              try {
                commit(connection, FRESH, ALL, batches);
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });

    for (long rows : new long[] {1, 100_000}) {
      while (count() < rows && !commits.isDone()) {
        Thread.onSpinWait();
      }
      assertThat(commits).isNotDone();
      PLATFORM.clickHouse().kill9();
      PLATFORM.clickHouse().start();
    }
    commits.join();

    assertThat(count()).isEqualTo(300_000);
    assertThat(database.count("SELECT uniqExact(sensor) FROM readings")).isEqualTo(300_000);
  }

  @Test
  void fenceEndsAZombieInsertBeforeTheProbe() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    List<SealedBatch> batches = seal(0, 100);
    String zombie = BatchTable.queryIdPrefix(batches.get(0)) + "1";
    // The first commit claims the table and ends all queries of others; this test is about later
    // commits.
    commit(connection, FRESH, WITHOUT_TOKEN, seal(1000, 1001));
    try (ClickHouseHttp http = new ClickHouseHttp(connection)) {
      CompletableFuture<String> sending =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  http.select(
                      "INSERT INTO readings SELECT number, 202611, toString(sleepEachRow(1)), 1, '"
                          + batches.get(0).id()
                          + "' FROM numbers(600) SETTINGS max_block_size = 1",
                      Map.of("query_id", zombie, "function_sleep_max_microseconds_per_block", "0"),
                      Duration.ofMinutes(5));
                  return "done";
                } catch (Exception e) {
                  return String.valueOf(e.getMessage());
                }
              });
      await()
          .until(
              () ->
                  sending.isDone()
                      || database.count(
                              "SELECT count() FROM system.processes WHERE query_id = '"
                                  + zombie
                                  + "'")
                          == 1);

      commit(connection, CHECKPOINT, WITHOUT_TOKEN, batches);

      assertThat(sending.get(30, TimeUnit.SECONDS)).contains("QUERY_WAS_CANCELLED");
    }
    assertThat(count()).isEqualTo(101);
  }

  @Test
  void batchFileIsDeletedAfterTheNextCheckpoint() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    Path folder = Path.of("target", "sealed-" + database.database()).toAbsolutePath();
    List<SealedBatch> batches = sealRows(rows(0, 1000, 1), folder.toUri().toString());
    assertThat(batches.get(0).body()).isEmpty();

    try (ClickHouseCommitter committer = committer(connection, LIMITS, FRESH, WITHOUT_TOKEN)) {
      committer.commit(requests(batches));
      assertThat(folder).isDirectoryContaining("glob:**.lz4");
      committer.commit(List.of());
    }

    assertThat(folder).isEmptyDirectory();
    assertThat(count()).isEqualTo(1000);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void missingOrTruncatedFileStopsTheJobUnlessItsBatchIsInTheTable(boolean missing)
      throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    Path folder = Path.of("target", "sealed-" + database.database()).toAbsolutePath();
    List<SealedBatch> lost = sealRows(rows(0, 60_000, 1), folder.toUri().toString());
    List<SealedBatch> there = sealRows(rows(60_000, 60_010, 1), folder.toUri().toString());
    commit(connection, FRESH, ALL, there);
    for (SealedBatch batch : List.of(lost.get(0), there.get(0))) {
      Path file = Path.of(URI.create(batch.file()));
      if (missing) {
        Files.delete(file);
      } else {
        Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 40));
      }
    }

    assertThatThrownBy(() -> commit(connection, CHECKPOINT, ALL, lost.subList(0, 1)))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining(lost.get(0).place())
        .hasMessageContaining(lost.get(0).file())
        .hasMessageContaining("Remedy");
    commit(connection, CHECKPOINT, ALL, there);

    assertThat(count()).isEqualTo(10);
  }

  @Test
  void fileThatEndsBetweenTwoFramesIsRefused() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    Path folder = Path.of("target", "sealed-" + database.database()).toAbsolutePath();
    BatchSealer<Reading> sealer =
        new BatchSealer<>(
            Reading.ENCODER,
            BatchSealer.Kind.ROWS,
            new BatchLimits(
                100_000,
                64 << 20,
                4,
                64 << 20,
                10,
                LIMITS.insertTimeout(),
                LIMITS.commitDeadline(),
                LIMITS.probeAfter()),
            new BatchIds(0),
            folder.toUri().toString(),
            FRESH,
            System::currentTimeMillis,
            new SinkMemory(Long.MAX_VALUE));
    for (Reading row : rows(0, 60_000, 1)) {
      sealer.add(row);
    }
    SealedBatch batch = sealer.sealAll().get(0);
    assertThat(batch.rawBytes()).isGreaterThan(CompressedBody.FRAME_BYTES);
    Path file = Path.of(URI.create(batch.file()));
    byte[] body = Files.readAllBytes(file);
    int firstFrame = 16 + ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN).getInt(17);
    Files.write(file, Arrays.copyOf(body, firstFrame));

    assertThatThrownBy(() -> commit(connection, FRESH, ALL, List.of(batch)))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("is truncated");
    assertThat(count()).isZero();
  }

  @Test
  void jobThatLostItsTableStopsAndStaysStopped() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    try (ClickHouseCommitter former = committer(connection, LIMITS, FRESH, ALL, "former");
        ClickHouseCommitter latter = committer(connection, LIMITS, CHECKPOINT, ALL, "latter")) {
      former.commit(requests(seal(0, 10)));
      latter.commit(requests(seal(10, 20)));
      List<SealedBatch> tooLate = seal(20, 30);

      assertThatThrownBy(() -> former.commit(requests(tooLate)))
          .isInstanceOf(BatchRefusedException.class)
          .hasMessageContaining("Job latter has taken over table readings from this job former")
          .hasMessageContaining(tooLate.get(0).place())
          .hasMessageContaining("Remedy");
      try (ClickHouseCommitter restarted = committer(connection, LIMITS, FRESH, ALL, "former")) {
        assertThatThrownBy(() -> restarted.commit(requests(tooLate)))
            .isInstanceOf(BatchRefusedException.class);
      }
      latter.commit(requests(seal(20, 30)));
    }

    assertThat(count()).isEqualTo(30);
  }

  @Test
  void missingOwnersTableIsNamed() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    database.query("DROP TABLE etl_owners");

    assertThatThrownBy(() -> commit(connection, FRESH, ALL, seal(0, 10)))
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("Table etl_owners")
        .hasMessageContaining("apply sql/clickhouse/001_tables.sql");
  }

  private long count() {
    return database.count("SELECT count() FROM readings");
  }
}

package io.experimentetl.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.config.ArchiveConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;

/** Months between a real ClickHouse and a folder, or a bucket of a real server. */
class ArchiveIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Instant NOW = Instant.parse("2026-11-05T12:00:00Z");
  private static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);

  /** January 2024 is beyond, and all but the last days of June are not. */
  private static final Instant OLDER_THAN = Instant.parse("2024-06-28T00:00:00Z");

  @TempDir static Path servers;
  private static S3Server signed;
  private static S3Server versioned;

  @TempDir private Path folder;
  private ClickHouseEndpoint warehouse;
  private ClickHouseFiles files;
  private Archive archive;

  /** Where the archive is. */
  private enum Place {
    FOLDER,
    SIGNED_BUCKET,
    VERSIONED_BUCKET
  }

  @BeforeEach
  void fillTwoMonthsAndAPresentOne() throws IOException {
    warehouse = PLATFORM.newClickHouseDatabase("archive");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), false);
    files = new ClickHouseFiles(warehouse.login().connection(), Duration.ofMinutes(2));
    event("2024-01-01 00:00:00", "anna", 1, 10);
    event("2024-01-31 23:59:59.999999", "berta", 2, 11);
    event("2024-01-15 12:00:00", "çelik x", 3, 12);
    event("2024-03-15 12:00:00", "anna", 4, 13);
    event("2024-06-01 00:00:00", "anna", 5, 14);
    for (int id = 1; id <= 5; id++) {
      assignment(id, "2024-01-0" + id + " 10:00:00", "user" + id, 20 + id);
    }
    marker("2026-11-05 11:00:00");
  }

  @AfterEach
  void close() throws IOException {
    files.close();
    if (archive != null) {
      archive.close();
    }
  }

  @AfterAll
  static void stopServers() {
    for (S3Server server : new S3Server[] {signed, versioned}) {
      if (server != null) {
        server.close();
      }
    }
  }

  private void event(String at, String user, int number, int version) {
    event(at, user, number, version, "2026-01-01 00:00:00", false, "");
  }

  private void event(
      String at,
      String user,
      int number,
      int version,
      String committed,
      boolean deleted,
      String reason) {
    warehouse.query(
        """
        INSERT INTO events_processed
        SELECT toUUID('00000000-0000-0000-0000-%012d'), if(%2$d %% 2 = 0, NULL, 'id-ä'), '%3$s', 7, '%4$s', NULL, 'purchase',
          if(%2$d %% 2 = 0, toDateTime64('2024-01-01 00:00:00.000001', 6, 'UTC'), NULL), '{"revenue": 1.50, "t": "\\\\u00e4"}', NULL, '', NULL,
          'checkout', 'Checkout', '', '', 3, 'b', NULL, toDate32('%3$s'), if(%2$d %% 2 = 0, [], ['E-A', 'E-B']), 99, '%6$s', %5$d, %7$b, '%8$s', 'batch-%2$d'
        """
            .formatted(
                number,
                number,
                at,
                user.replace("\\", "\\\\").replace("'", "\\'"),
                version,
                committed,
                deleted,
                reason));
  }

  private void assignment(int id, String at, String user, int version) {
    warehouse.query(
        "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, source, assigned_at, assigned_sequence, _committed_at, _version) VALUES (%d, 7, '%s', 3, 'hash', '%s', 5, '2026-01-01 00:00:00', %d)"
            .formatted(id, user, at, version));
  }

  private void marker(String at) {
    warehouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) VALUES (7, 4711, '%1$s', true, '%1$s')"
            .formatted(at));
  }

  private void erase(String user, int version, String at) {
    warehouse.query(
        "INSERT INTO users (user_id, _committed_at, _version, _deleted, _delete_reason) VALUES ('%s', '%s', %d, true, 'erasure')"
            .formatted(user, at, version));
  }

  private void open(ArchiveConfig config) throws IOException {
    archive = new Archive(ArchiveStore.open(config));
    archive.store().check();
  }

  private void openFolder() throws IOException {
    open(
        new ArchiveConfig(
            folder.toString(), new ArchiveConfig.S3(null, "x", null, "", null, null)));
  }

  private String openBucket(Place place) throws IOException {
    String bucket = "b" + Long.toString(System.nanoTime(), 36);
    S3Server server =
        place == Place.SIGNED_BUCKET
            ? signed = started(signed, place)
            : (versioned = started(versioned, place));
    try (S3Client client = server.client()) {
      client.createBucket(request -> request.bucket(bucket));
      if (place == Place.VERSIONED_BUCKET) {
        client.putBucketVersioning(
            request ->
                request
                    .bucket(bucket)
                    .versioningConfiguration(
                        versioning -> versioning.status(BucketVersioningStatus.ENABLED)));
      }
    }
    open(server.archive(bucket));
    return bucket;
  }

  private static S3Server started(S3Server server, Place place) throws IOException {
    if (server != null) {
      return server;
    }
    Path directory = Files.createDirectories(servers.resolve(place.name()));
    return place == Place.SIGNED_BUCKET
        ? S3Server.checkingSignatures(directory)
        : S3Server.withVersions(directory);
  }

  private void moveAll() throws IOException, InterruptedException {
    MonthArchiver archiver = new MonthArchiver(archive, files, CLOCK, 2);
    for (ArchivedTable table : ArchivedTable.values()) {
      for (MonthArchiver.Due due : archiver.due(table, OLDER_THAN)) {
        if (!due.waits()) {
          archiver.archive(due);
        }
      }
    }
  }

  private void restoreAll() throws IOException, InterruptedException {
    for (Manifest manifest : archive.manifests()) {
      new MonthRestorer(archive, files).restore(manifest);
    }
  }

  private String rows(String table, String condition) {
    return warehouse.query(
        "SELECT * FROM %s FINAL WHERE %s ORDER BY ALL FORMAT TSVWithNamesAndTypes"
            .formatted(table, condition));
  }

  private String months() throws IOException {
    List<String> months = new ArrayList<>();
    for (Manifest manifest : archive.manifests()) {
      months.add(manifest.table() + " " + manifest.month() + " " + manifest.rows());
    }
    return String.join("\n", months);
  }

  private String left() {
    return warehouse.query(
        "SELECT concat(user_id, ' ', toString(timestamp)) FROM events_processed ORDER BY timestamp, user_id");
  }

  private String restored() {
    return warehouse.query(
        "SELECT concat(user_id, ' ', toString(_version)) FROM events_archive FINAL ORDER BY timestamp, user_id");
  }

  @ParameterizedTest
  @EnumSource(Place.class)
  void monthGoesToThePlaceAndComesBackUnchanged(Place place)
      throws IOException, InterruptedException {
    if (place == Place.FOLDER) {
      openFolder();
    } else {
      openBucket(place);
    }
    String events = rows("events_processed", "timestamp < '2024-06-01'");
    String assignments = rows("assignments_processed", "true");

    moveAll();

    assertThat(left()).isEqualTo("anna 2024-06-01 00:00:00.000000");
    assertThat(warehouse.query("SELECT count() FROM assignments_processed")).isEqualTo("0");
    assertThat(months())
        .isEqualTo(
            """
            assignments_processed 2024-01 5
            events_processed 2024-01 3
            events_processed 2024-03 1""");
    Manifest january = archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 1)).get();
    assertThat(january.lsn()).isEqualTo("4711");
    assertThat(january.committedAt()).isEqualTo("2026-11-05T11:00:00.000000Z");
    assertThat(january.buckets()).isEqualTo(2);
    assertThat(january.columns()).contains(new Manifest.Column("event_id", "UUID"));
    assertThat(january.columns())
        .contains(new Manifest.Column("timestamp", "DateTime64(6, 'UTC')"));

    restoreAll();

    assertThat(rows("events_archive", "true")).isEqualTo(events);
    assertThat(rows("assignments_archive", "true")).isEqualTo(assignments);
  }

  @Test
  void monthIsRestoredOnceHoweverOftenItIsAskedFor() throws IOException, InterruptedException {
    openFolder();
    moveAll();
    restoreAll();
    restoreAll();

    assertThat(warehouse.query("SELECT count() FROM events_archive")).isEqualTo("4");
  }

  @Test
  void laterRowsAreMergedWithTheArchivedOnes() throws IOException, InterruptedException {
    openFolder();
    moveAll();
    restoreAll();
    event("2024-01-02 00:00:00", "late", 8, 30);
    event("2024-01-01 00:00:00", "anna", 1, 31, "2026-02-01 00:00:00", false, "");
    event("2024-01-31 23:59:59.999999", "berta", 2, 32, "2026-02-01 00:00:00", true, "unexpected");

    moveAll();

    assertThat(left()).isEqualTo("anna 2024-06-01 00:00:00.000000");
    assertThat(restored()).as("the copy of January is out of date").isEqualTo("anna 13");
    restoreAll();
    assertThat(restored()).isEqualTo("anna 31\nlate 30\nçelik x 12\nanna 13");
    assertThat(archive.store().list("events_processed/2024-01/"))
        .as("replaced files are gone")
        .hasSize(
            1 + archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 1)).get().files().size());
  }

  @Test
  void monthThatWasChangedWithinADayOfTheNewestMarkerWaits()
      throws IOException, InterruptedException {
    openFolder();
    event("2024-01-02 00:00:00", "late", 8, 30, "2026-11-04 11:00:00", false, "");

    moveAll();

    assertThat(months()).isEqualTo("assignments_processed 2024-01 5\nevents_processed 2024-03 1");
    assertThat(left()).contains("late", "berta");
  }

  @Test
  void rowThatArrivesMeanwhileStays() throws IOException, InterruptedException {
    archive =
        new Archive(
            new WatchedStore(
                new FolderStore(folder.toString()),
                (name, file) -> {
                  if (name.endsWith(Manifest.NAME) && name.contains("events_processed/2024-01")) {
                    event("2024-01-20 00:00:00", "late", 8, 30, "2026-11-05 11:30:00", false, "");
                  }
                }));

    moveAll();

    assertThat(left())
        .isEqualTo("late 2024-01-20 00:00:00.000000\nanna 2024-06-01 00:00:00.000000");
  }

  @Test
  void nothingLeavesClickHouseWhenTheFileIsNotWhatWasRead() throws IOException {
    archive =
        new Archive(
            new WatchedStore(
                new FolderStore(folder.toString()),
                (name, file) -> {
                  if (name.endsWith(".parquet")) {
                    Files.write(file, new byte[] {1}, StandardOpenOption.APPEND);
                  }
                }));

    assertThatThrownBy(this::moveAll)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("SHA-256");
    assertThat(left().lines()).hasSize(5);
    assertThat(months()).isEmpty();
  }

  @Test
  void restoreLeavesOutUsersWhoWereErasedSince() throws IOException, InterruptedException {
    openFolder();
    moveAll();
    erase("anna", 90, "2026-11-05 11:00:00");

    restoreAll();

    assertThat(restored()).isEqualTo("çelik x 12\nberta 11");
  }

  @ParameterizedTest
  @EnumSource(names = {"FOLDER", "VERSIONED_BUCKET"})
  void erasedUserLeavesTheArchiveWithAllVersionsOfTheFiles(Place place)
      throws IOException, InterruptedException {
    String bucket = null;
    if (place == Place.FOLDER) {
      openFolder();
    } else {
      bucket = openBucket(place);
    }
    event("2024-01-25 00:00:00", "berta", 9, 95);
    moveAll();
    restoreAll();
    erase("anna", 90, "2026-11-05 11:00:00");
    erase("berta", 91, "2026-11-05 11:00:00");
    Manifest before = archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 1)).get();

    List<Manifest> changed = ArchiveErasure.ofErasedUsers(archive, files, CLOCK).run();

    assertThat(changed).extracting(Manifest::month).containsExactly("2024-01", "2024-03");
    assertThat(restored()).as("berta has come back").isEqualTo("çelik x 12\nberta 95");
    restoreAll();
    assertThat(restored()).isEqualTo("çelik x 12\nberta 95");
    Manifest january = archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 1)).get();
    assertThat(january.rows()).isEqualTo(2);
    assertThat(january.erasures()).hasSize(1);
    Manifest.Erasure erasure = january.erasures().get(0);
    assertThat(erasure.users()).isEqualTo(2);
    assertThat(erasure.rows()).isEqualTo(2);
    assertThat(erasure.objectVersions()).isEqualTo(erasure.files()).isPositive();
    assertThat(archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 3)).get().rows()).isZero();
    if (bucket != null) {
      String name = bucket;
      try (S3Client client = versioned.client()) {
        List<String> keys =
            client.listObjectVersions(request -> request.bucket(name)).versions().stream()
                .map(version -> version.key())
                .toList();
        for (Manifest.File file : before.files()) {
          if (!january.files().contains(file)) {
            assertThat(keys)
                .noneMatch(key -> key.endsWith("events_processed/2024-01/" + file.name()));
          }
        }
        assertThat(client.listObjectVersions(request -> request.bucket(name)).deleteMarkers())
            .isEmpty();
      }
    }

    assertThat(ArchiveErasure.ofErasedUsers(archive, files, CLOCK).run()).as("done once").isEmpty();
  }

  @Test
  void usersWhomTheWarehouseDoesNotHaveLeaveTheArchive() throws IOException, InterruptedException {
    openFolder();
    moveAll();
    warehouse.query("INSERT INTO users (user_id, _version) VALUES ('anna', 1), ('user3', 1)");

    ArchiveErasure.ofUnknownUsers(archive, files, CLOCK).run();

    assertThat(months())
        .isEqualTo(
            """
            assignments_processed 2024-01 1
            events_processed 2024-01 1
            events_processed 2024-03 1""");
  }

  @Test
  void recalledMonthIsInItsTableUntilItIsArchivedAgain() throws IOException, InterruptedException {
    openFolder();
    String rows = rows("events_processed", "true").replaceAll("batch-\\d", "");
    String assignments = rows("assignments_processed", "true");
    moveAll();
    String archived = months();
    event("2024-01-31 23:59:59.999999", "berta", 2, 32, "2026-02-01 00:00:00", true, "unexpected");

    for (int i = 0; i < 2; i++) {
      for (Manifest manifest : archive.manifests()) {
        new MonthRestorer(archive, files).recall(manifest);
      }
    }

    assertThat(warehouse.query("SELECT count() FROM events_processed")).isEqualTo("5");
    assertThat(rows("assignments_processed", "true")).isEqualTo(assignments);
    assertThat(rows("events_processed", "user_id != 'berta'").replaceAll("batch-\\d", ""))
        .isEqualTo(rows.replaceAll("(?m)^.*berta.*\n?", ""));

    moveAll();
    assertThat(months()).isEqualTo(archived.replace("2024-01 3", "2024-01 2"));
  }

  @Test
  void recallOfAUserBringsTheMonthsOfTheTimes() throws IOException, InterruptedException {
    openFolder();
    moveAll();
    try (UserRecall recall =
        new UserRecall(
            new ArchiveConfig(
                folder.toString(), new ArchiveConfig.S3(null, "x", null, "", null, null)),
            warehouse.login().connection())) {
      long april = Instant.parse("2024-04-01T00:00:00Z").getEpochSecond() * 1_000_000;

      assertThat(recall.recall("anna", april - 1, april)).isTrue();
      assertThat(left())
          .isEqualTo("anna 2024-03-15 12:00:00.000000\nanna 2024-06-01 00:00:00.000000");
      assertThat(recall.recall("çelik x", 0, april)).isTrue();
      assertThat(left()).startsWith("çelik x 2024-01-15").contains("anna 2024-03-15");
      assertThat(recall.recall("anna", april, april)).isFalse();
    }
  }

  @Test
  void bucketWithObjectLockIsRefused() throws IOException {
    versioned = started(versioned, Place.VERSIONED_BUCKET);
    try (S3Client client = versioned.client()) {
      client.createBucket(request -> request.bucket("locked").objectLockEnabledForBucket(true));
    }

    assertThatThrownBy(() -> open(versioned.archive("locked")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("The bucket locked has Object Lock");
  }

  @Test
  void absentBucketAndWrongSecretAreReported() throws IOException {
    signed = started(signed, Place.SIGNED_BUCKET);

    assertThatThrownBy(() -> open(signed.archive("nowhere")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("archive.s3 in the configuration")
        .hasMessageNotContaining("archive-secret");
  }
}

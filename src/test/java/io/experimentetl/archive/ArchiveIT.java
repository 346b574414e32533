package io.experimentetl.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.ArchiveConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.YearMonth;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;

/** Months between a real ClickHouse and a folder, or a bucket of a real server. */
class ArchiveIT extends ArchiveScenario {
  @TempDir static Path servers;
  private static S3Server signed;
  private static S3Server versioned;

  /** Where the archive is. */
  private enum Place {
    FOLDER,
    SIGNED_BUCKET,
    VERSIONED_BUCKET
  }

  @AfterAll
  static void stopServers() {
    for (S3Server server : new S3Server[] {signed, versioned}) {
      if (server != null) {
        server.close();
      }
    }
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
                (access, name, file) -> {
                  if (access == WatchedStore.Access.WRITE
                      && name.endsWith(Manifest.NAME)
                      && name.contains("events_processed/2024-01")) {
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
                (access, name, file) -> {
                  if (access == WatchedStore.Access.WRITE && name.endsWith(".parquet")) {
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

    List<Manifest> changed = new ArchiveErasure(archive, files, CLOCK).run();

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

    assertThat(new ArchiveErasure(archive, files, CLOCK).run()).as("done once").isEmpty();
  }

  @Test
  void noVersionOfAStoppedRunsFileOutlivesTheUser() throws IOException, InterruptedException {
    String bucket = openBucket(Place.VERSIONED_BUCKET);
    Archive whole = archive;
    archive =
        new Archive(
            new WatchedStore(
                whole.store(),
                (access, name, file) -> {
                  if (access == WatchedStore.Access.WRITE && name.endsWith(Manifest.NAME)) {
                    throw new IOException("stopped");
                  }
                }));
    assertThatThrownBy(this::moveAll).hasMessage("stopped");
    archive = whole;
    event("2024-01-01 00:00:00", "anna", 1, 31, "2026-02-01 00:00:00", true, "erasure");
    event("2024-03-15 12:00:00", "anna", 4, 31, "2026-02-01 00:00:00", true, "erasure");
    moveAll();
    new ArchiveErasure(archive, files, CLOCK).run();

    try (S3Client client = versioned.client()) {
      assertThat(
              client.listObjectVersions(request -> request.bucket(bucket)).versions().stream()
                  .map(version -> version.key().replaceFirst("warehouse/a/", ""))
                  .filter(key -> key.endsWith(".parquet")))
          .containsExactlyInAnyOrderElementsOf(
              archive.manifests().stream()
                  .flatMap(
                      manifest ->
                          manifest.files().stream()
                              .map(
                                  file ->
                                      manifest.table()
                                          + "/"
                                          + manifest.month()
                                          + "/"
                                          + file.name()))
                  .toList());
    }
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

      assertThat(recall.recall("anna", april - 1, april)).hasValue(1);
      assertThat(left())
          .isEqualTo("anna 2024-03-15 12:00:00.000000\nanna 2024-06-01 00:00:00.000000");
      assertThat(recall.recall("çelik x", 0, april)).hasValue(1);
      assertThat(recall.recall("çelik x", 0, april)).as("they are there").hasValue(0);
      assertThat(left()).startsWith("çelik x 2024-01-15").contains("anna 2024-03-15");
      assertThat(recall.recall("anna", april, april)).as("nothing is archived").isEmpty();
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

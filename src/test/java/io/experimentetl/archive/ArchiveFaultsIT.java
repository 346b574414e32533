package io.experimentetl.archive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.archive.WatchedStore.Access;
import io.experimentetl.clickhouse.ClickHouseReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.YearMonth;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** What stops, misleads or overtakes the archive. */
class ArchiveFaultsIT extends ArchiveScenario {
  private static final String ONE_LATER_VERSION =
      "INSERT INTO events_processed SELECT * REPLACE ('%s' AS event_type, '%s' AS _batch_id) FROM events_archive FINAL WHERE user_id = 'anna' AND timestamp = '2024-01-01 00:00:00'";

  @Test
  void absentFolderIsRefusedAndNotMade() {
    Path absent = folder.resolve("volume/cold");
    ArchiveStore store = new FolderStore(absent.toString());

    assertThatThrownBy(store::check)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("The archive's folder " + absent + " does not exist")
        .hasMessageContaining("mount its volume");
    assertThatThrownBy(() -> store.list("")).hasMessageContaining("does not exist");
    assertThatThrownBy(() -> store.write("a/b", Files.createFile(folder.resolve("file"))))
        .hasMessageContaining("does not exist");
    assertThat(folder.resolve("volume")).doesNotExist();
  }

  @Test
  void symbolicLinkIsNoFolder() throws IOException {
    Path target = Files.createDirectory(folder.resolve("target"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), target);
    ArchiveStore store = new FolderStore(link.toString());

    assertThatThrownBy(store::check)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("is a symbolic link")
        .hasMessageContaining("archive.folder");
    assertThatThrownBy(() -> store.list("")).hasMessageContaining("is a symbolic link");
  }

  @Test
  void symbolicLinkInTheFolderIsRefused() throws IOException {
    Path target = Files.createDirectory(folder.resolve("elsewhere"));
    Path cold = Files.createDirectory(folder.resolve("cold"));
    Files.createSymbolicLink(cold.resolve("events_processed"), target);

    assertThatThrownBy(() -> new FolderStore(cold.toString()).list(""))
        .hasMessageContaining("events_processed is a symbolic link");
  }

  /** The second run merges late rows, so that it also removes files. */
  @Test
  void runThatWasStoppedAtAnyStepIsRepeated() throws IOException, InterruptedException {
    int steps = 0;
    for (boolean stopped = true; stopped; steps++) {
      warehouse.query("TRUNCATE TABLE events_processed");
      warehouse.query("TRUNCATE TABLE assignments_processed");
      warehouse.query("TRUNCATE TABLE events_archive");
      event("2024-01-01 00:00:00", "anna", 1, 10);
      event("2024-01-31 23:59:59.999999", "berta", 2, 11);
      folder = Files.createTempDirectory(folder, "run");
      openFolder();
      moveAll();
      restoreAll();
      event("2024-01-01 00:00:00", "anna", 1, 31, "2026-02-01 00:00:00", false, "");
      event("2024-01-31 23:59:59.999999", "berta", 2, 32, "2026-02-01 00:00:00", true, "x");
      stopped = moveAllStoppedAt(steps);
      moveAll();

      assertThat(left()).as("step " + steps).isEmpty();
      assertThat(restored()).as("the copy that is out of date").isEmpty();
      Manifest january = archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 1)).get();
      assertThat(archive.store().list("")).as("step " + steps).hasSize(1 + january.files().size());
      restoreAll();
      assertThat(restored()).as("step " + steps).isEqualTo("anna 31");
    }
    assertThat(steps).isGreaterThan(6);
  }

  private boolean moveAllStoppedAt(int step) throws InterruptedException {
    Archive whole = archive;
    AtomicInteger steps = new AtomicInteger();
    try {
      archive =
          new Archive(
              new WatchedStore(
                  whole.store(),
                  (access, name, file) -> {
                    if (steps.getAndIncrement() == step) {
                      throw new IOException("stopped");
                    }
                  }));
      moveAll();
      return false;
    } catch (IOException e) {
      assertThat(e).hasMessage("stopped");
      return true;
    } finally {
      archive = whole;
    }
  }

  @Test
  void filesWithoutAManifestAreForgotten() throws IOException, InterruptedException {
    openFolder();
    assertThat(moveAllStoppedAt(2)).isTrue();
    assertThat(archive.store().list("")).isNotEmpty();

    new ArchiveErasure(archive, files, CLOCK).run();

    assertThat(archive.store().list("")).isEmpty();
  }

  @Test
  void rowOfTheWarehouseWinsOverAnArchivedOneOfItsVersion()
      throws IOException, InterruptedException {
    openFolder();
    moveAll();
    restoreAll();
    warehouse.query(ONE_LATER_VERSION.formatted("corrected", "batch-9"));

    for (Manifest manifest : archive.manifests()) {
      new MonthRestorer(archive, files).recall(manifest);
    }
    assertThat(typeOfAnna("events_processed")).as("recalled").isEqualTo("corrected");
    moveAll();
    restoreAll();
    assertThat(typeOfAnna("events_archive")).as("archived").isEqualTo("corrected");
  }

  private String typeOfAnna(String table) {
    return warehouse.query(
        "SELECT event_type FROM %s WHERE user_id = 'anna' AND timestamp < '2024-02-01'"
            .formatted(table));
  }

  @Test
  void newerArchivedRowIsRecalledBesideAnOlderOne() throws IOException, InterruptedException {
    openFolder();
    moveAll();
    event("2024-01-01 00:00:00", "anna", 1, 5);

    for (Manifest manifest : archive.manifests()) {
      new MonthRestorer(archive, files).recall(manifest);
    }

    assertThat(
            warehouse.query(
                "SELECT _version FROM events_processed FINAL WHERE user_id = 'anna' AND timestamp < '2024-02-01'"))
        .isEqualTo("10");
  }

  @Test
  void whatWasRecalledAndMovedIsRecalledAgain() throws IOException, InterruptedException {
    openFolder();
    String rows = left();
    for (int i = 0; i < 2; i++) {
      moveAll();
      assertThat(left().lines()).hasSize(1);
      for (Manifest manifest : archive.manifests()) {
        new MonthRestorer(archive, files).recall(manifest);
      }
      assertThat(left()).isEqualTo(rows);
    }
  }

  @Test
  void whatWasRestoredAndDroppedIsRestoredAgain() throws IOException, InterruptedException {
    warehouse.query(
        "ALTER TABLE events_archive MODIFY SETTING non_replicated_deduplication_window = 100");
    openFolder();
    moveAll();
    for (int i = 0; i < 2; i++) {
      restoreAll();
      assertThat(restored().lines()).hasSize(4);
      warehouse.query("TRUNCATE TABLE events_archive");
    }
  }

  /** The month is written anew, without a row, while a recall holds its former file. */
  @Test
  void recallThatWasOvertakenFailsAndItsRowIsNotArchivedAgain()
      throws IOException, InterruptedException {
    openFolder();
    moveAll();
    Manifest former = archive.manifest(ArchivedTable.EVENTS, YearMonth.of(2024, 1)).get();
    String file =
        former.files().stream()
            .filter(each -> each.bucket() == UserRecall.bucketOf("berta", former.buckets()))
            .findFirst()
            .get()
            .name();
    event("2024-01-31 23:59:59.999999", "berta", 2, 32, "2026-02-01 00:00:00", true, "unexpected");
    Archive whole = archive;
    Path copy = folder.resolve("former");
    Files.copy(folder.resolve("events_processed/2024-01").resolve(file), copy);
    try (Archive slow =
        new Archive(
            new WatchedStore(
                whole.store(),
                (access, name, to) -> {
                  if (access == Access.READ && name.endsWith(file)) {
                    moveBeside();
                    Files.move(copy, folder.resolve(name));
                  }
                }))) {
      assertThatThrownBy(
              () ->
                  new MonthRestorer(slow, files)
                      .recall(
                          former,
                          UserRecall.bucketOf("berta", former.buckets()),
                          ClickHouseReader.literal("berta")))
          .hasMessageContaining("was archived anew meanwhile");
    }

    moveAll();
    restoreAll();
    assertThat(restored()).doesNotContain("berta");
  }

  private void moveBeside() throws IOException {
    try {
      moveAll();
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }
}

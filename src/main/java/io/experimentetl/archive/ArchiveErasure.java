package io.experimentetl.archive;

import io.experimentetl.archive.Manifest.Erasure;
import io.experimentetl.clickhouse.ClickHouseFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Takes erased users out of the archive: their files are written anew without them, and the old
 * ones removed with all versions. The manifest records it, without naming the users.
 */
public final class ArchiveErasure {
  private final Archive archive;
  private final ClickHouseFiles clickHouse;
  private final ArchivedRows archived;
  private final Clock clock;

  /** An erasure of the users that a warehouse knows as erased. */
  public ArchiveErasure(Archive archive, ClickHouseFiles clickHouse, Clock clock) {
    this.archive = archive;
    this.clickHouse = clickHouse;
    this.archived = new ArchivedRows(archive, clickHouse);
    this.clock = clock;
  }

  /**
   * Takes the users out.
   *
   * @return what was taken out of each month, months with nothing left out
   * @throws IOException if a month could not be done; those before it are done
   */
  public List<Manifest> run() throws IOException, InterruptedException {
    List<Manifest> changed = new ArrayList<>();
    // They may have rows of erased users.
    archive.removeUnnamed();
    for (Manifest manifest : archive.manifests()) {
      Manifest erased = erase(manifest);
      if (erased != null) {
        changed.add(erased);
      }
    }
    for (ArchivedTable table : ArchivedTable.values()) {
      clickHouse.select(ArchivedRows.deleteErased(table.restoredTable()));
    }
    return changed;
  }

  private Manifest erase(Manifest manifest) throws IOException, InterruptedException {
    Set<Integer> buckets = new HashSet<>(archived.erasedBuckets(manifest.buckets()));
    Manifest next = manifest.nextRevision();
    Set<Integer> rewritten = new HashSet<>();
    List<Manifest.File> files = new ArrayList<>();
    long users = 0;
    for (Manifest.File file : manifest.files()) {
      if (!buckets.contains(file.bucket())) {
        continue;
      }
      Path copy = archive.fetch(manifest, file);
      try {
        long found = archived.erasedUsers(manifest, copy);
        if (found > 0) {
          users += found;
          rewritten.add(file.bucket());
          Manifest.File without =
              archived.write(
                  next,
                  file.bucket(),
                  new ArchivedRows.Rows(
                      ArchivedRows.remaining(manifest.columnList(), "file"), copy));
          if (without != null) {
            files.add(without);
          }
        }
      } finally {
        Files.deleteIfExists(copy);
      }
    }
    return users == 0
        ? null
        : replace(manifest, next.withFiles(rewritten, files), users, rewritten.size());
  }

  private Manifest replace(Manifest before, Manifest after, long users, int files)
      throws IOException {
    archive.write(after);
    int versions = archive.removeOthers(after);
    Manifest recorded =
        after.withErasure(
            new Erasure(
                clock.instant().toString(), users, before.rows() - after.rows(), files, versions));
    archive.write(recorded);
    return recorded;
  }
}

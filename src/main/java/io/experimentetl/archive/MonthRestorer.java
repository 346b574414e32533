package io.experimentetl.archive;

import io.experimentetl.clickhouse.ClickHouseFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Copies archived months into ClickHouse, without the rows of users who were erased since. */
public final class MonthRestorer {
  private final Archive archive;
  private final ClickHouseFiles clickHouse;

  /** A restorer into a warehouse. */
  public MonthRestorer(Archive archive, ClickHouseFiles clickHouse) {
    this.archive = archive;
    this.clickHouse = clickHouse;
  }

  /**
   * Copies a month into a table of its own without TTL. A month that was restored before is
   * replaced.
   *
   * @return the number of restored rows
   * @throws IOException if a file is missing or damaged, or ClickHouse refuses; then a part of the
   *     month may be restored, and doing it again replaces that
   */
  public long restore(Manifest manifest) throws IOException, InterruptedException {
    ArchivedTable table = manifest.archivedTable();
    String month = table.isIn(manifest.yearMonth());
    clickHouse.select(
        "ALTER TABLE %s DELETE WHERE %s SETTINGS mutations_sync = 2"
            .formatted(table.restoredTable(), month));
    for (Manifest.File file : manifest.files()) {
      insert(
          manifest,
          file,
          "INSERT INTO %s (%s) %s"
              .formatted(
                  table.restoredTable(),
                  manifest.columnList(),
                  ArchivedRows.remaining(manifest.columnList(), "file")));
    }
    return Long.parseLong(
        clickHouse.select(
                "SELECT count() FROM %s FINAL WHERE %s".formatted(table.restoredTable(), month))
            .get(0)[0]);
  }

  /**
   * Copies a month back into the table that its rows left, until it is archived again. Rows of
   * which the table has the same version or a newer one, also as a tombstone, are left out.
   *
   * @throws IOException as {@link #restore}; doing it again copies the rest
   */
  public void recall(Manifest manifest) throws IOException, InterruptedException {
    for (Manifest.File file : manifest.files()) {
      insert(
          manifest,
          file,
          recall(
              manifest,
              "(" + ArchivedRows.remaining(manifest.columnList(), "file") + ") AS archived",
              ArchivedTable.bucketOf("user_id", manifest.buckets()) + " = " + file.bucket()));
    }
  }

  /**
   * Copies a user's rows of a month back, as {@link #recall(Manifest)} does, also those of a user
   * who was erased: their tombstones are written by them.
   *
   * @param user the id as a literal of ClickHouse's SQL
   * @param bucket of the user
   * @return the number of rows that the table did not have
   * @throws IOException also if the month was archived anew meanwhile: then rows may have come back
   *     that were replaced, which {@link MonthArchiver} drops
   */
  long recall(Manifest manifest, int bucket, String user) throws IOException, InterruptedException {
    long copied = 0;
    for (Manifest.File file : manifest.files()) {
      if (file.bucket() == bucket) {
        copied += insert(manifest, file, recall(manifest, "file", "user_id = " + user));
      }
    }
    requireCurrent(manifest);
    return copied;
  }

  private void requireCurrent(Manifest manifest) throws IOException {
    boolean isCurrent =
        archive
            .manifest(manifest.archivedTable(), manifest.yearMonth())
            .filter(now -> now.revision() == manifest.revision())
            .isPresent();
    if (!isCurrent) {
      throw new IOException(
          "%s of %s was archived anew meanwhile: read it again."
              .formatted(manifest.month(), manifest.table()));
    }
  }

  /** Without the batch id: no batch of the present job has brought the rows. */
  private static String recall(Manifest manifest, String from, String condition) {
    ArchivedTable table = manifest.archivedTable();
    return "INSERT INTO %1$s (%2$s) SELECT * REPLACE ('' AS _batch_id) FROM (SELECT %2$s FROM %3$s LEFT JOIN (SELECT %5$s, max(_version) AS present_version FROM %1$s WHERE %4$s AND %6$s GROUP BY %5$s) AS present USING (%5$s) WHERE %4$s AND (present_version = 0 OR _version > present_version) SETTINGS join_use_nulls = 0)"
        .formatted(
            table.warehouseTable(),
            manifest.columnList(),
            from,
            condition,
            table.key(),
            table.isIn(manifest.yearMonth()));
  }

  private long insert(Manifest manifest, Manifest.File file, String sql)
      throws IOException, InterruptedException {
    Path copy = archive.fetch(manifest, file);
    try {
      return clickHouse.insert(sql, ArchivedRows.attached(manifest, copy));
    } finally {
      Files.deleteIfExists(copy);
    }
  }
}

package io.experimentetl.archive;

import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.clickhouse.ClickHouseFiles.Attached;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;

/** Writes the rows of one bucket as a Parquet file, and compares the file with the rows. */
final class ArchivedRows {
  private static final String FORMAT = "Parquet";

  /** Texts as texts, not as bytes. */
  private static final String SETTINGS =
      " SETTINGS output_format_parquet_string_as_string = 1,"
          + " output_format_parquet_compression_method = 'zstd' FORMAT "
          + FORMAT;

  /** Erased users; their rows from before the erasure have a version up to the one here. */
  private static final String ERASED =
      "SELECT user_id AS erased_user, max(_version) AS erased_version FROM ("
          + List.of("users", "events_processed", "assignments_processed").stream()
              .map(
                  table ->
                      "SELECT user_id, _version FROM "
                          + table
                          + " WHERE _deleted AND _delete_reason = 'erasure'")
              .collect(Collectors.joining(" UNION ALL "))
          + ") GROUP BY erased_user";

  private final Archive archive;
  private final ClickHouseFiles clickHouse;

  ArchivedRows(Archive archive, ClickHouseFiles clickHouse) {
    this.archive = archive;
    this.clickHouse = clickHouse;
  }

  /** The number of rows and the sum of their hashes. */
  private record Fingerprint(long rows, String hash) {}

  /** A query whose rows become a file. It may read an attached one. */
  record Rows(String sql, Path attached) {}

  /** The buckets of users who were erased. */
  List<Integer> erasedBuckets(int buckets) throws IOException, InterruptedException {
    return clickHouse
        .select(
            "SELECT DISTINCT %s AS bucket FROM (%s) ORDER BY bucket"
                .formatted(ArchivedTable.bucketOf("erased_user", buckets), ERASED))
        .stream()
        .map(line -> Integer.valueOf(line[0]))
        .toList();
  }

  /**
   * A query: the rows that are not of erased users. A user who came back has newer rows, which
   * stay.
   *
   * @param from a table, with an alias if it is a query
   */
  static String remaining(String columns, String from) {
    return "SELECT %s FROM %s LEFT JOIN (%s) AS erased ON user_id = erased_user WHERE erased_version = 0 OR _version > erased_version SETTINGS join_use_nulls = 0"
        .formatted(columns, from, ERASED);
  }

  /** The number of users in the file with rows from before their erasure. */
  long erasedUsers(Manifest manifest, Path file) throws IOException, InterruptedException {
    return Long.parseLong(
        clickHouse.select(
                "SELECT uniqExact(user_id) FROM file INNER JOIN (%s) AS erased ON user_id = erased_user WHERE _version <= erased_version"
                    .formatted(ERASED),
                attached(manifest, file))
            .get(0)[0]);
  }

  /** A statement that deletes from a table in ClickHouse. */
  static String deleteErased(String table) {
    return "ALTER TABLE %1$s DELETE WHERE (user_id, _version) IN (SELECT user_id, _version FROM %1$s INNER JOIN (%2$s) AS erased ON user_id = erased_user WHERE _version <= erased_version) SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"
        .formatted(table, ERASED);
  }

  /**
   * Writes the rows to the archive, reads the file back and compares it with them.
   *
   * @param manifest of whose folder, columns and revision the file is
   * @return null if there are no rows
   * @throws IOException also if the file is not equal to the rows: they may have changed meanwhile
   */
  Manifest.File write(Manifest manifest, int bucket, Rows rows)
      throws IOException, InterruptedException {
    Fingerprint wanted = fingerprint(manifest, "(" + rows.sql() + ")", rows.attached());
    if (wanted.rows() == 0) {
      return null;
    }
    // No run writes a name twice: a versioned bucket would keep what a stopped one has written.
    String name =
        "r%05d-b%05d-%s.parquet".formatted(manifest.revision(), bucket, UUID.randomUUID());
    Path draft = archive.draft();
    try {
      String sql = "SELECT %s FROM (%s)%s".formatted(manifest.columnList(), rows.sql(), SETTINGS);
      if (rows.attached() == null) {
        clickHouse.download(sql, draft);
      } else {
        clickHouse.download(sql, attached(manifest, rows.attached()), draft);
      }
      Manifest.File file =
          new Manifest.File(
              bucket, name, wanted.rows(), Files.size(draft), Archive.sha256(draft), wanted.hash());
      archive
          .store()
          .write(Manifest.folder(manifest.archivedTable(), manifest.yearMonth()) + name, draft);
      requireEqual(manifest, file);
      return file;
    } finally {
      Files.deleteIfExists(draft);
    }
  }

  private void requireEqual(Manifest manifest, Manifest.File file)
      throws IOException, InterruptedException {
    Path copy = archive.fetch(manifest, file);
    try {
      Fingerprint found = fingerprint(manifest, "file", copy);
      if (found.rows() != file.rows() || !found.hash().equals(file.rowHash())) {
        throw new IOException(
            "%s of %s, bucket %d, read back from %s has %,d rows with the hash %s instead of %,d with %s: nothing was removed from ClickHouse. If rows of the month changed meanwhile, the next run archives them."
                .formatted(
                    manifest.month(),
                    manifest.table(),
                    file.bucket(),
                    archive.store(),
                    found.rows(),
                    found.hash(),
                    file.rows(),
                    file.rowHash()));
      }
    } finally {
      Files.deleteIfExists(copy);
    }
  }

  private Fingerprint fingerprint(Manifest manifest, String from, Path attached)
      throws IOException, InterruptedException {
    String sql =
        "SELECT count(), toString(sum(sipHash64(tuple(%s)))) FROM %s"
            .formatted(manifest.columnList(), from);
    String[] line =
        (attached == null
                ? clickHouse.select(sql)
                : clickHouse.select(sql, attached(manifest, attached)))
            .get(0);
    return new Fingerprint(Long.parseLong(line[0]), line[1]);
  }

  /** The file as a query takes it. */
  static Attached attached(Manifest manifest, Path file) {
    return new Attached(file, FORMAT, manifest.structure());
  }
}

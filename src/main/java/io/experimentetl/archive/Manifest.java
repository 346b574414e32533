package io.experimentetl.archive;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What the archive has of one table and month. A file that it does not name is not part of the
 * archive.
 *
 * @param table the table in ClickHouse
 * @param month {@code 2024-01}, in UTC
 * @param revision counts the manifest's versions, from 1
 * @param rows of all files
 * @param lsn everything that PostgreSQL had committed up to it was visible when the month was read
 * @param committedAt commit time of the LSN
 * @param archivedAt when the month was read last
 * @param buckets a user's rows are in the file of bucket CRC32(user_id) % buckets
 * @param columns the schema: names and ClickHouse's types
 * @param erasures what was rewritten since, because users were erased
 */
public record Manifest(
    String table,
    String month,
    int revision,
    long rows,
    String lsn,
    String committedAt,
    String archivedAt,
    int buckets,
    List<Column> columns,
    List<File> files,
    List<Erasure> erasures) {

  static final String NAME = "manifest.json";

  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  /** A column, with ClickHouse's type. */
  public record Column(String name, String type) {}

  /**
   * A Parquet file beside the manifest.
   *
   * @param rowHash the sum of the rows' hashes (sipHash64 of all columns), modulo 2^64
   */
  public record File(
      int bucket, String name, long rows, long bytes, String sha256, String rowHash) {}

  /**
   * Rows that were taken out.
   *
   * @param objectVersions versions of files that were removed for it
   */
  public record Erasure(String at, long users, long rows, int files, int objectVersions) {}

  /** The table. */
  @JsonIgnore
  public ArchivedTable archivedTable() {
    for (ArchivedTable known : ArchivedTable.values()) {
      if (known.warehouseTable().equals(table)) {
        return known;
      }
    }
    throw new IllegalStateException("The manifest is of a table that is not archived: " + table);
  }

  /** The month. */
  @JsonIgnore
  public YearMonth yearMonth() {
    return YearMonth.parse(month);
  }

  /** Its folder, with a slash at its end. */
  static String folder(ArchivedTable table, YearMonth month) {
    return table.warehouseTable() + "/" + month + "/";
  }

  /** The same, to be changed. */
  Manifest nextRevision() {
    return new Manifest(
        table,
        month,
        revision + 1,
        rows,
        lsn,
        committedAt,
        archivedAt,
        buckets,
        columns,
        files,
        erasures);
  }

  /** The same, with these files in the place of all files of the replaced buckets. */
  Manifest withFiles(Set<Integer> replaced, List<File> files) {
    List<File> all = new ArrayList<>(files);
    this.files.stream().filter(file -> !replaced.contains(file.bucket())).forEach(all::add);
    all.sort(Comparator.comparingInt(File::bucket));
    return new Manifest(
        table,
        month,
        revision,
        all.stream().mapToLong(File::rows).sum(),
        lsn,
        committedAt,
        archivedAt,
        buckets,
        columns,
        all,
        erasures);
  }

  Manifest withErasure(Erasure erasure) {
    List<Erasure> all = new ArrayList<>(erasures);
    all.add(erasure);
    return new Manifest(
        table, month, revision, rows, lsn, committedAt, archivedAt, buckets, columns, files, all);
  }

  /** The names of the files. */
  Set<String> names() {
    return files.stream().map(File::name).collect(Collectors.toSet());
  }

  /** The columns as ClickHouse takes the structure of a file. */
  String structure() {
    return columns.stream()
        .map(column -> "`" + column.name() + "` " + column.type())
        .collect(Collectors.joining(", "));
  }

  /** The columns' names. */
  String columnList() {
    return columns.stream()
        .map(column -> "`" + column.name() + "`")
        .collect(Collectors.joining(", "));
  }

  static Manifest read(Path file) throws IOException {
    return JSON.readValue(file.toFile(), Manifest.class);
  }

  void write(Path file) throws IOException {
    Files.write(file, JSON.writeValueAsBytes(this));
  }
}

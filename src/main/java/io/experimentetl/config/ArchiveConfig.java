package io.experimentetl.config;

import static io.experimentetl.config.ValueType.httpUrl;
import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;

/**
 * The cold storage: where events and assignments go that are older than {@code
 * retention.clickhouse}. Without a folder and a bucket there is none, and the TTLs remove them.
 *
 * @param folder a directory; null: none
 * @param s3 a bucket; its name is null: none
 */
public record ArchiveConfig(String folder, S3 s3) implements Serializable {

  /**
   * A bucket of S3, or of a server that speaks its protocol.
   *
   * @param endpoint {@code https://host:port}; null: AWS's own of the region
   * @param bucket null: no bucket is used
   * @param prefix of all names of objects; may be empty
   * @param username the id of the access key; null: the credentials that the AWS SDK finds
   * @param password the secret access key; null without a username
   */
  public record S3(
      String endpoint,
      String region,
      String bucket,
      String prefix,
      String username,
      Secret password)
      implements Serializable {
    private static S3 read(Section section) {
      String bucket = section.optional("bucket", text());
      String username = section.optional("username", text());
      Secret password = null;
      if (bucket == null || username == null) {
        section.optional("password-file", text());
      } else {
        password = section.password();
      }
      return new S3(
          section.optional("endpoint", httpUrl()),
          section.get("region", text(), "us-east-1"),
          bucket,
          section.get("prefix", text(), "experiment-etl"),
          username,
          password);
    }
  }

  /** The default of every key. */
  public static ArchiveConfig defaults() {
    return read(Section.empty("archive"));
  }

  /** Whether rows are archived before they are removed. */
  public boolean isOn() {
    return folder != null || s3.bucket != null;
  }

  static ArchiveConfig read(Section section) {
    ArchiveConfig config =
        new ArchiveConfig(section.optional("folder", text()), section.group("s3", S3::read));
    if (config.folder != null && config.s3.bucket != null) {
      section.error(
          "folder",
          "and archive.s3.bucket are both set.",
          "The archive has one place: remove one.");
    }
    return config;
  }
}

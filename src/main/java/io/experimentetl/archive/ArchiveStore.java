package io.experimentetl.archive;

import io.experimentetl.config.ArchiveConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * The place of the archive: files by names with slashes. A file never changes; only a manifest is
 * replaced, as a whole.
 */
public interface ArchiveStore extends AutoCloseable {
  /**
   * The configured place. Connects to nothing yet.
   *
   * @throws IllegalStateException if none is configured, or its secret is not where it should be
   */
  static ArchiveStore open(ArchiveConfig config) {
    if (!config.isOn()) {
      throw new IllegalStateException(
          "There is no archive: set archive.folder or archive.s3.bucket in the configuration.");
    }
    return config.folder() == null ? new S3Store(config.s3()) : new FolderStore(config.folder());
  }

  /**
   * Checks that the place can be used.
   *
   * @throws IOException it can't, or files could not be removed from it
   */
  void check() throws IOException;

  /** Writes a file as a whole, or replaces it. */
  void write(String name, Path file) throws IOException;

  /**
   * Copies a file to the path, which does not exist yet.
   *
   * @throws IOException also if there is no such file
   */
  void read(String name, Path to) throws IOException;

  /** The names that begin with the prefix, also those of which only former versions exist. */
  List<String> list(String prefix) throws IOException;

  /**
   * Removes a file with all its versions.
   *
   * @return the number of versions that were removed
   */
  int remove(String name) throws IOException;

  @Override
  void close();
}

package io.experimentetl.local;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** Files and folders that only their owner may read. */
public final class OwnerOnly {
  private OwnerOnly() {}

  /** Makes a folder, with its parents, and closes it to others; what is below is closed by that. */
  public static Path folder(Path folder) throws IOException {
    Files.createDirectories(folder);
    return Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
  }

  /** Makes a file again, empty, before a secret is written into it. */
  static void newFile(Path file) throws IOException {
    Files.deleteIfExists(file);
    Files.createFile(
        file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
  }
}

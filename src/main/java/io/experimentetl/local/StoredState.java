package io.experimentetl.local;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/** The savepoints and retained checkpoints in a platform's directory. */
final class StoredState {
  private static final String METADATA = "_metadata";

  private StoredState() {}

  /**
   * The metadata files of all that are complete.
   *
   * @param directory the platform's, which needn't hold any
   * @throws IOException it can't be listed
   */
  static List<Path> metadata(Path directory) throws IOException {
    Path flink = directory.resolve("flink");
    List<Path> found = new ArrayList<>();
    if (!Files.isDirectory(flink)) {
      return found;
    }
    Files.walkFileTree(
        flink,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (file.getFileName().toString().equals(METADATA)) {
              found.add(file);
            }
            return FileVisitResult.CONTINUE;
          }

          /** A job that runs removes its older checkpoints at any time. */
          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
            return skipIfGone(e);
          }

          @Override
          public FileVisitResult postVisitDirectory(Path folder, IOException e) throws IOException {
            return e == null ? FileVisitResult.CONTINUE : skipIfGone(e);
          }

          private FileVisitResult skipIfGone(IOException e) throws IOException {
            if (e instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw e;
          }
        });
    return found;
  }
}

package io.experimentetl.operations;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/** The complete savepoints and retained checkpoints below a folder. */
final class StoredState {
  private static final String METADATA = "_metadata";

  private StoredState() {}

  /**
   * Lists the metadata files, one per savepoint or checkpoint.
   *
   * @param folder which need not exist
   * @throws IOException when it cannot be listed
   */
  static List<Path> metadata(Path folder) throws IOException {
    List<Path> found = new ArrayList<>();
    if (!Files.isDirectory(folder)) {
      return found;
    }
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (file.getFileName().toString().equals(METADATA)) {
              found.add(file);
            }
            return FileVisitResult.CONTINUE;
          }

          /** A running job removes its older checkpoints at any time. */
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

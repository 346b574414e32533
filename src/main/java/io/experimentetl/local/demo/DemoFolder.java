package io.experimentetl.local.demo;

import io.experimentetl.local.OwnerOnly;
import io.experimentetl.local.PlatformException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** The data folder of a demonstration's servers. */
public final class DemoFolder {
  private DemoFolder() {}

  /**
   * An empty folder.
   *
   * @param given by the user, who may have data there: it must be empty; null: one below target,
   *     emptied
   */
  public static Path empty(Path given, Path home, String name) {
    Path folder = given == null ? home.resolve("target").resolve(name) : given.toAbsolutePath();
    try {
      if (given == null) {
        delete(folder);
      }
      OwnerOnly.folder(folder);
      try (Stream<Path> content = Files.list(folder)) {
        if (content.findAny().isPresent()) {
          throw new PlatformException(
              folder + " is not empty: name another by --directory, or empty it yourself");
        }
      }
      return folder;
    } catch (IOException e) {
      throw new PlatformException("the folder " + folder + " can't be used: " + e, e);
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    List<Path> deepestFirst;
    try (Stream<Path> files = Files.walk(folder)) {
      deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path file : deepestFirst) {
      Files.delete(file);
    }
  }
}

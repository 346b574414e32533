package io.experimentetl.archive;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;

/** The archive in a directory. */
final class FolderStore implements ArchiveStore {
  private static final String DRAFT = ".draft";

  private final Path root;

  FolderStore(String folder) {
    this.root = Path.of(folder).toAbsolutePath();
  }

  @Override
  public void check() throws IOException {
    Files.createDirectories(root);
    if (!Files.isWritable(root)) {
      throw new IOException("The archive's folder " + root + " can't be written (archive.folder).");
    }
  }

  @Override
  public void write(String name, Path file) throws IOException {
    Path target = root.resolve(name);
    Path draft = target.resolveSibling(target.getFileName() + DRAFT);
    Files.createDirectories(target.getParent());
    Files.copy(file, draft, StandardCopyOption.REPLACE_EXISTING);
    sync(draft);
    Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    sync(target.getParent());
  }

  private static void sync(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  @Override
  public void read(String name, Path to) throws IOException {
    try {
      Files.copy(root.resolve(name), to);
    } catch (NoSuchFileException e) {
      throw new IOException("The archive's file " + root.resolve(name) + " is missing.", e);
    }
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    if (!Files.isDirectory(root)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(root)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> root.relativize(file).toString().replace('\\', '/'))
          .filter(name -> name.startsWith(prefix))
          .sorted()
          .toList();
    }
  }

  @Override
  public int remove(String name) throws IOException {
    return Files.deleteIfExists(root.resolve(name)) ? 1 : 0;
  }

  @Override
  public void close() {}

  @Override
  public String toString() {
    return root.toString();
  }
}

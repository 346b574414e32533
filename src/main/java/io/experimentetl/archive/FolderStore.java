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

/**
 * The archive in a directory. It is never made here: an absent one may be a volume that is not
 * mounted. A symbolic link is refused, since files behind it would not be listed.
 */
final class FolderStore implements ArchiveStore {
  private static final String DRAFT = ".draft";

  private final Path root;

  FolderStore(String folder) {
    this.root = Path.of(folder).toAbsolutePath();
  }

  @Override
  public void check() throws IOException {
    requireFolder();
    if (!Files.isWritable(root)) {
      throw new IOException("The archive's folder " + root + " can't be written (archive.folder).");
    }
  }

  private void requireFolder() throws IOException {
    requireNoLink(root);
    if (!Files.isDirectory(root)) {
      throw new IOException(
          "The archive's folder %s does not exist: mount its volume, or make the folder before the first run, or correct archive.folder."
              .formatted(root));
    }
  }

  private static void requireNoLink(Path path) throws IOException {
    if (Files.isSymbolicLink(path)) {
      throw new IOException(
          "%s is a symbolic link, and the archive follows none: let archive.folder name the directory itself, and keep links out of it."
              .formatted(path));
    }
  }

  @Override
  public void write(String name, Path file) throws IOException {
    Path target = root.resolve(name);
    Path draft = target.resolveSibling(target.getFileName() + DRAFT);
    requireFolder();
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
    requireFolder();
    try {
      Files.copy(root.resolve(name), to);
    } catch (NoSuchFileException e) {
      throw new IOException("The archive's file " + root.resolve(name) + " is missing.", e);
    }
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    requireFolder();
    List<Path> found;
    try (Stream<Path> files = Files.walk(root)) {
      found = files.toList();
    }
    for (Path path : found) {
      requireNoLink(path);
    }
    return found.stream()
        .filter(Files::isRegularFile)
        .map(file -> root.relativize(file).toString().replace('\\', '/'))
        .filter(name -> name.startsWith(prefix))
        .sorted()
        .toList();
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

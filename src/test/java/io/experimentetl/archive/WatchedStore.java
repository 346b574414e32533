package io.experimentetl.archive;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A store that calls a step before it writes, reads or removes a file. */
record WatchedStore(ArchiveStore store, Step step) implements ArchiveStore {
  enum Access {
    WRITE,
    READ,
    REMOVE
  }

  /** {@code file} is null where one is removed. */
  @FunctionalInterface
  interface Step {
    void before(Access access, String name, Path file) throws IOException;
  }

  @Override
  public void check() throws IOException {
    store.check();
  }

  @Override
  public void write(String name, Path file) throws IOException {
    step.before(Access.WRITE, name, file);
    store.write(name, file);
  }

  @Override
  public void read(String name, Path to) throws IOException {
    step.before(Access.READ, name, to);
    store.read(name, to);
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    return store.list(prefix);
  }

  @Override
  public int remove(String name) throws IOException {
    step.before(Access.REMOVE, name, null);
    return store.remove(name);
  }

  @Override
  public void close() {
    store.close();
  }
}

package io.experimentetl.archive;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A store that does something at each file. */
record WatchedStore(ArchiveStore store, StepOnFile onWrite) implements ArchiveStore {
  @FunctionalInterface
  interface StepOnFile {
    void at(String name, Path file) throws IOException;
  }

  @Override
  public void check() throws IOException {
    store.check();
  }

  @Override
  public void write(String name, Path file) throws IOException {
    onWrite.at(name, file);
    store.write(name, file);
  }

  @Override
  public void read(String name, Path to) throws IOException {
    store.read(name, to);
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    return store.list(prefix);
  }

  @Override
  public int remove(String name) throws IOException {
    return store.remove(name);
  }

  @Override
  public void close() {
    store.close();
  }
}

package io.experimentetl.archive;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArchiveTest {
  @TempDir private Path folder;

  private void write(String name) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    Files.writeString(file, "rows");
  }

  @Test
  void filesThatTheArchiveHasNotWrittenAreLeft() throws IOException {
    write("events_processed/2024-01/r00001-b00000-0b1c.parquet");
    write("assignments_processed/2024-01/r00002-b00017-0b1c.parquet.draft");
    write("events_processed/2024-01/notes.txt");
    write("lake/2024-01/r00001-b00000-0b1c.parquet");
    ArchiveStore store = new FolderStore(folder.toString());
    try (Archive archive = new Archive(store)) {
      assertThat(archive.removeUnnamed()).isEqualTo(2);
    }
    assertThat(store.list(""))
        .containsExactly(
            "events_processed/2024-01/notes.txt", "lake/2024-01/r00001-b00000-0b1c.parquet");
  }
}

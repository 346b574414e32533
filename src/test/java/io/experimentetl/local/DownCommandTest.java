package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DownCommandTest {
  @TempDir private Path folder;

  private Path platform() throws IOException {
    Path platform = Files.createDirectories(folder.resolve("platform"));
    Files.createDirectories(platform.resolve("postgres/data"));
    Files.writeString(platform.resolve("postgres/data/PG_VERSION"), "16");
    Files.writeString(platform.resolve("platform.json"), "{}");
    return platform;
  }

  @Test
  void directoryIsDeletedWithItsContent() throws IOException {
    Path platform = platform();
    assertThat(DownCommand.delete(platform)).isEqualTo("deleted " + platform);
    assertThat(platform).doesNotExist();
    assertThat(DownCommand.delete(platform)).isEqualTo(platform + " does not exist");
  }

  /** The system refuses to remove a directory by the name "." as it does for a mount point. */
  @Test
  void directoryThatCannotBeRemovedIsEmptied() throws IOException {
    Path platform = platform();
    assertThat(DownCommand.delete(platform.resolve(".")))
        .startsWith("emptied " + platform)
        .contains("it is a mount point");
    assertThat(platform).isEmptyDirectory();
  }
}

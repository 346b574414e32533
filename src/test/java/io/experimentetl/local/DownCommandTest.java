package io.experimentetl.local;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

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

  /** In a namespace of its own, where everybody may mount, and which takes the mount along. */
  @Test
  void mountPointIsEmptied() throws Exception {
    Path mount = Files.createDirectories(folder.resolve("volume"));
    assumeThat(inNamespace("mount -t tmpfs none \"$1\"", mount)).as("mounts").startsWith("0\n");

    assertThat(
            inNamespace(
                """
                set -e
                mount -t tmpfs none "$1"
                mkdir -p "$1/postgres/data"
                echo 16 > "$1/postgres/data/PG_VERSION"
                echo {} > "$1/platform.json"
                "$2" -cp "$3" io.experimentetl.local.Etl down --delete --directory "$1"
                ls -A "$1"
                mountpoint "$1"
                """,
                mount))
        .isEqualTo(
            """
            0
            no platform runs in %1$s
            emptied %1$s, which itself cannot be removed: it is a mount point, or its parent is not writable
            %1$s is a mountpoint
            """
                .formatted(mount));
  }

  /** The exit code, a line break, and the output. */
  private static String inNamespace(String script, Path mount) throws Exception {
    Process process =
        new ProcessBuilder(
                "unshare",
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
                mount.toString(),
                JavaCommand.java(),
                System.getProperty("java.class.path"))
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    return process.waitFor() + "\n" + output;
  }
}

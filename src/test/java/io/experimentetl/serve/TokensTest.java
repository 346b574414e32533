package io.experimentetl.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokensTest {
  @TempDir private Path folder;

  static String hash(String token) {
    try {
      return HexFormat.of()
          .formatHex(
              MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8)));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private Path file(String content) throws IOException {
    Path file = Files.writeString(folder.resolve("tokens"), content);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    return file;
  }

  @Test
  void tokenIsKnownByItsHash() throws IOException {
    Tokens tokens =
        new Tokens(
            file(
                "# of the platform team\n\nanna admin %s\ngrafana viewer %s\n"
                    .formatted(hash("first"), hash("second").toUpperCase(java.util.Locale.ROOT))));

    assertThat(tokens.holder("first")).isEqualTo(new Principal("anna", Role.ADMIN));
    assertThat(tokens.holder("second")).isEqualTo(new Principal("grafana", Role.VIEWER));
    assertThat(tokens.holder("third")).isEqualTo(Principal.NOBODY);
    assertThat(tokens.holder("")).isEqualTo(Principal.NOBODY);
    assertThat(tokens.holder(hash("first"))).isEqualTo(Principal.NOBODY);
  }

  @Test
  void changedFileTakesEffectAtOnce() throws IOException {
    Path file = file("anna admin " + hash("first"));
    Tokens tokens = new Tokens(file);
    Files.writeString(file, "anna admin " + hash("rotated"));
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().plusSeconds(5)));

    assertThat(tokens.holder("first")).isEqualTo(Principal.NOBODY);
    assertThat(tokens.holder("rotated").role()).isEqualTo(Role.ADMIN);
  }

  @Test
  void fileThatOthersReadIsRefused() throws IOException {
    Path file = file("anna admin " + hash("first"));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    assertThatThrownBy(() -> new Tokens(file))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("chmod 640");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''|has no token",
        "anna admin|line 1, is not NAME ROLE SHA256",
        "# x\\nanna root 00|line 2, has a role that is neither viewer nor admin",
        "anna admin my-secret-token|line 1, has no SHA-256 hash of 64 hexadecimal digits"
      })
  void wrongLineIsNamedWithoutItsContent(String content, String problem) throws IOException {
    Path file = file(content.replace("\\n", "\n"));
    assertThatThrownBy(() -> new Tokens(file))
        .hasMessageContaining(problem)
        .message()
        .doesNotContain("my-secret-token");
  }

  @Test
  void missingFileIsNamed() {
    assertThatThrownBy(() -> new Tokens(folder.resolve("none"))).hasMessageContaining("none");
  }
}

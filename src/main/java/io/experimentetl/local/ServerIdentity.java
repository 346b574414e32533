package io.experimentetl.local;

import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Properties;

/**
 * A server's ports and its password, which stay the same when it starts again on its directory. The
 * file is readable by its owner only.
 */
public final class ServerIdentity {
  static final String FILE = "identity.properties";
  private static final SecureRandom RANDOM = new SecureRandom();
  private final Path file;
  private final Properties values = new Properties();

  private ServerIdentity(Path file) {
    this.file = file;
  }

  public static ServerIdentity of(Path directory) {
    ServerIdentity identity = new ServerIdentity(directory.resolve(FILE));
    try {
      Files.createDirectories(directory);
      if (Files.exists(identity.file)) {
        try (Reader reader = Files.newBufferedReader(identity.file)) {
          identity.values.load(reader);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return identity;
  }

  public int port(String name) {
    String port = values.getProperty(name);
    if (port == null) {
      port = Integer.toString(FreePort.pick());
      put(name, port);
    }
    return Integer.parseInt(port);
  }

  String password() {
    String password = values.getProperty("password");
    if (password == null) {
      password = randomHex();
      put("password", password);
    }
    return password;
  }

  static String randomHex() {
    byte[] bytes = new byte[16];
    RANDOM.nextBytes(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  /** Writes a file that only its owner may read. */
  static void writeSecret(Path file, String text) throws IOException {
    OwnerOnly.newFile(file);
    Files.writeString(file, text);
  }

  private void put(String name, String value) {
    values.setProperty(name, value);
    try {
      if (!Files.exists(file)) {
        OwnerOnly.newFile(file);
      }
      try (Writer writer = Files.newBufferedWriter(file)) {
        values.store(writer, null);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

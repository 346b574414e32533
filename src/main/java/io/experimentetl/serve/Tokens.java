package io.experimentetl.serve;

import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * The bearer tokens, by their SHA-256 hashes in a file: one line {@code NAME ROLE SHA256} each;
 * lines that begin with # are comments. A changed file is read again. A hash without salt is
 * enough, because a token is random and not a password.
 */
final class Tokens {
  private static final int HASH_BYTES = 32;

  private record Entry(Principal principal, byte[] hash) {}

  private final Path file;
  private FileTime readAt;
  private List<Entry> entries;

  /**
   * Reads the file.
   *
   * @throws OperationsException with the line that is wrong, or if others may read the file
   */
  Tokens(Path file) {
    this.file = file;
    refresh();
  }

  /**
   * Who has this token. It takes the same time for every token, whether it is known or not.
   *
   * @return {@link Principal#NOBODY} for an unknown one
   * @throws OperationsException when the file was changed and is wrong
   */
  Principal holder(String token) {
    byte[] hash = sha256(token);
    Principal holder = Principal.NOBODY;
    for (Entry entry : current()) {
      // No early end: the time must not tell how many entries were compared.
      if (MessageDigest.isEqual(hash, entry.hash)) {
        holder = entry.principal;
      }
    }
    return holder;
  }

  private synchronized List<Entry> current() {
    refresh();
    return entries;
  }

  private synchronized void refresh() {
    try {
      FileTime modified = Files.getLastModifiedTime(file);
      if (!modified.equals(readAt)) {
        requirePrivate();
        entries = parse(Files.readAllLines(file));
        readAt = modified;
      }
    } catch (IOException e) {
      throw new OperationsException("the tokens' file %s cannot be read: %s".formatted(file, e), e);
    }
  }

  private void requirePrivate() throws IOException {
    PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
    if (view == null) {
      return;
    }
    Set<PosixFilePermission> permissions = view.readAttributes().permissions();
    if (permissions.contains(PosixFilePermission.OTHERS_READ)
        || permissions.contains(PosixFilePermission.OTHERS_WRITE)
        || permissions.contains(PosixFilePermission.GROUP_WRITE)) {
      throw new OperationsException(
          "the tokens' file %s may be read or written by others: chmod 640 %s"
              .formatted(file, file));
    }
  }

  private List<Entry> parse(List<String> lines) {
    List<Entry> parsed = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      if (!line.isEmpty() && !line.startsWith("#")) {
        parsed.add(entry(i + 1, line));
      }
    }
    if (parsed.isEmpty()) {
      throw new OperationsException(
          "the tokens' file %s has no token: add a line NAME ROLE SHA256".formatted(file));
    }
    return parsed;
  }

  private Entry entry(int number, String line) {
    String[] words = line.split("\\s+", -1);
    if (words.length != 3) {
      throw wrong(number, "is not NAME ROLE SHA256");
    }
    Role role =
        switch (words[1]) {
          case "viewer" -> Role.VIEWER;
          case "admin" -> Role.ADMIN;
          default -> throw wrong(number, "has a role that is neither viewer nor admin");
        };
    byte[] hash;
    try {
      hash = HexFormat.of().parseHex(words[2]);
    } catch (IllegalArgumentException e) {
      hash = new byte[0];
    }
    if (hash.length != HASH_BYTES) {
      // The word may be the token itself: it is not printed.
      throw wrong(
          number, "has no SHA-256 hash of 64 hexadecimal digits: printf %s TOKEN | sha256sum");
    }
    return new Entry(new Principal(words[0], role), hash);
  }

  private OperationsException wrong(int number, String problem) {
    return new OperationsException(
        "the tokens' file " + file + ", line " + number + ", " + problem);
  }

  private static byte[] sha256(String token) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}

package io.experimentetl.local;

import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Prints the complete lines that a growing file has got since the last time. */
final class LogTail {
  private final Path file;
  private long position;

  /**
   * A tail of a file, which need not exist yet.
   *
   * @param position the byte from which on lines are new
   */
  LogTail(Path file, long position) {
    this.file = file;
    this.position = position;
  }

  void print(PrintStream out) throws IOException {
    if (!Files.exists(file) || Files.size(file) <= position) {
      return;
    }
    byte[] bytes;
    try (RandomAccessFile reader = new RandomAccessFile(file.toFile(), "r")) {
      reader.seek(position);
      bytes = new byte[(int) (reader.length() - position)];
      reader.readFully(bytes);
    }
    int end = bytes.length;
    while (end > 0 && bytes[end - 1] != '\n') {
      end--;
    }
    out.print(new String(bytes, 0, end, StandardCharsets.UTF_8));
    out.flush();
    position += end;
  }
}

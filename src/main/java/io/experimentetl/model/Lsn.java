package io.experimentetl.model;

/** Log sequence numbers as PostgreSQL prints them: two halves in hexadecimal digits. */
public final class Lsn {
  private Lsn() {}

  public static long parse(String text) {
    int slash = text.indexOf('/');
    return (Long.parseLong(text, 0, slash, 16) << 32)
        | Long.parseLong(text, slash + 1, text.length(), 16);
  }

  public static String print(long lsn) {
    return String.format("%X/%X", lsn >>> 32, lsn & 0xFFFFFFFFL);
  }
}

package io.experimentetl.serve;

import java.util.Locale;

/** What a bearer token allows; each role includes those before it. */
enum Role {
  /** No token. */
  NOBODY,
  /** Reads. */
  VIEWER,
  /** Changes too. */
  ADMIN;

  boolean includes(Role other) {
    return compareTo(other) >= 0;
  }

  String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}

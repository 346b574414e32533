package io.experimentetl;

import java.util.Random;

/**
 * JSON objects as literals of PostgreSQL, with the keys country and revenue in them, in strings and
 * in inner objects.
 */
record RandomJson(Random random) {
  private static final String[] KEYS = {
    "country",
    "revenue",
    "country",
    "revenue",
    "a",
    "zz",
    "quo\\\"te",
    "back\\\\",
    "co\\\", \\\"country\\\": 1",
    "ü"
  };
  private static final String[] SCALARS = {
    "1e1200",
    "18446744073709551616",
    "-5",
    "0.1",
    "12.345678",
    "1e11",
    "999999999999.5",
    "1e12",
    "0",
    "-0.0",
    "7.10",
    "true",
    "null",
    "\"DE\"",
    "\"F\\\"R\"",
    "\"x\\\", \\\"country\\\": \\\"X\"",
    "\"{[\"",
    "\"}\"",
    "\"\\\\\"",
    "\"ünï\"",
    "\"t\\tab\"",
    "\"\\u0007\"",
    "\"\"",
    "\"5\""
  };

  String literal() {
    return "'" + object(0).replace("'", "''") + "'";
  }

  private String object(int depth) {
    StringBuilder text = new StringBuilder("{");
    int members = random.nextInt(6);
    for (int i = 0; i < members; i++) {
      text.append(i == 0 ? "" : ",").append('"').append(KEYS[random.nextInt(KEYS.length)]);
      text.append("\":").append(value(depth));
    }
    return text.append('}').toString();
  }

  private String value(int depth) {
    int kind = random.nextInt(depth > 3 ? 6 : 10);
    if (kind == 6) {
      return "[" + value(depth + 1) + "," + value(depth + 1) + "]";
    }
    if (kind == 7) {
      return "[".repeat(1_100) + "]".repeat(1_100);
    }
    return kind > 7 ? object(depth + 1) : SCALARS[random.nextInt(SCALARS.length)];
  }
}

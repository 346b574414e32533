package io.experimentetl.local.traffic;

import java.time.Instant;
import java.util.SplittableRandom;

/** JSON texts of the generated traffic: properties and outbox payloads. */
final class TrafficTexts {
  private static final String[] COUNTRIES = {"US", "US", "US", "DE", "UK", "FR", "IN", "BR", "JP"};
  private static final String[] PLATFORMS = {"web", "web", "ios", "android"};
  private static final String[] PLANS = {"free", "free", "free", "pro", "team"};

  /** Values of {@code properties} without a readable revenue. */
  private static final String[] BAD_PROPERTIES = {
    "{\"revenue\": \"12.50\"}",
    "{\"revenue\": -5.25}",
    "{\"revenue\": 1000000000000}",
    "{\"revenue\": 1e300}",
    "{\"revenue\": null}",
    "{\"revenue\": [1, 2]}",
    "{\"amount\": 7}",
    "[1, 2, 3]",
    "\"revenue\"",
    "17",
    "null",
  };

  private final SplittableRandom random;

  TrafficTexts(SplittableRandom random) {
    this.random = random;
  }

  String purchaseProperties() {
    if (perMille(30)) {
      return perMille(80) ? null : BAD_PROPERTIES[random.nextInt(BAD_PROPERTIES.length)];
    }
    // Log-normal: a few purchases hold much of the revenue. Some have too many decimals.
    double euros = Math.exp(3 + random.nextGaussian());
    String revenue =
        perMille(20) ? Double.toString(euros) : (long) euros + "." + (10 + random.nextInt(90));
    return "{\"revenue\": "
        + revenue
        + ", \"currency\": \"EUR\", \"items\": "
        + (1 + random.nextInt(4))
        + "}";
  }

  /** Three services write the outbox, each in its own shape. */
  String eventPayload(String id, String type, Instant time) {
    return switch (random.nextInt(3)) {
      case 0 ->
          "{\"id\": \"" + id + "\", \"event\": \"" + type + "\", \"timestamp\": \"" + time + "\"}";
      case 1 -> "{\"event_id\": \"" + id + "\", \"Event\": {\"type\": \"" + type + "\"}}";
      default -> "{\"event_id\": \"" + id + "\", \"event\": {\"type\": \"" + type + "\"}}";
    };
  }

  String userProperties() {
    if (perMille(20)) {
      return "{}";
    }
    return "{\"country\": \""
        + COUNTRIES[random.nextInt(COUNTRIES.length)]
        + "\", \"platform\": \""
        + PLATFORMS[random.nextInt(PLATFORMS.length)]
        + "\", \"plan\": \""
        + PLANS[random.nextInt(PLANS.length)]
        + "\"}";
  }

  private boolean perMille(int chance) {
    return random.nextInt(1_000) < chance;
  }
}

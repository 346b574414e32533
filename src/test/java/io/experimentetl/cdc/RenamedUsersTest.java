package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.UserKey;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class RenamedUsersTest {
  private RenamedUsers users = new RenamedUsers(List.of());
  private long sequenceNumber;

  private void rename(String from, String to) {
    users.rename(from, to, ++sequenceNumber);
  }

  @Test
  void newIdIsAnAliasOfTheFirst() {
    rename("a", "b");
    rename("b", "c");

    assertThat(users.keyOf("c")).isEqualTo("a");
    assertThat(users.formerIdsOf("c")).containsExactly("a", "b");
  }

  @Test
  void idUsedAgainGetsAKeyOfItsOwn() {
    rename("a", "b");

    assertThat(users.keyOf("a")).isNotEqualTo("a");
    assertThat(UserKey.userIdOf(users.keyOf("a"))).isEqualTo("a");
    users.use("a");
    assertThat(users.formerIdsOf("b")).isEmpty();
  }

  @Test
  void usersWhoSwapTheirIdsKeepTheirKeys() {
    rename("a", "t");
    rename("b", "a");
    rename("t", "b");

    assertThat(users.keyOf("a")).isEqualTo("b");
    assertThat(users.keyOf("b")).isEqualTo("a");
  }

  @Test
  void userWhoGetsTheFirstIdBackKeepsTheKey() {
    rename("a", "b");
    rename("b", "a");

    assertThat(users.keyOf("a")).isEqualTo("a");
    assertThat(users.formerIdsOf("a")).containsExactly("b");
  }

  @Property(tries = 2000)
  void livingUsersKeepTheirKeysAndShareNone(@ForAll long seed) {
    users = new RenamedUsers(List.of());
    Random random = new Random(seed);
    String[] ids = {"a", "b", "c", "d", "e"};
    Map<String, String> keyOfLiving = new HashMap<>();
    for (int step = 0; step < 60; step++) {
      String id = ids[random.nextInt(ids.length)];
      String other = ids[random.nextInt(ids.length)];
      if (!keyOfLiving.containsKey(id)) {
        users.use(id);
        keyOfLiving.put(id, users.keyOf(id));
      } else if (random.nextInt(4) == 0) {
        keyOfLiving.remove(id);
      } else if (!keyOfLiving.containsKey(other)) {
        rename(id, other);
        keyOfLiving.put(other, keyOfLiving.remove(id));
      }
      if (random.nextInt(8) == 0) {
        users = new RenamedUsers(users.entries());
      }
      keyOfLiving.forEach((living, key) -> assertThat(users.keyOf(living)).isEqualTo(key));
      assertThat(keyOfLiving.values()).doesNotHaveDuplicates();
      keyOfLiving
          .keySet()
          .forEach(
              living ->
                  assertThat(users.formerIdsOf(living))
                      .doesNotContainAnyElementsOf(keyOfLiving.keySet()));
      assertThat(users.size()).isLessThanOrEqualTo(2 * ids.length);
    }
  }
}

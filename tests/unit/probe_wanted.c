/* tests/unit/probe_wanted.c - probe/wanted.h. */
#include "probe/wanted.h"

#include "check.h"

static const char file[] = "/srv/shop/models/cart.py", package[] = "/srv/shop/models/__init__.py";

static void functions_by_their_names_or_the_ends_of_them(void)
{
    static const char *const wanted[] = {"total", "Cart.total", "x,total", "total,",
                                         "outer.<locals>.total"};
    static const char *const others[] = {"",         ",",         "tot",    "otal",
                                         "Cart.tot", "art.total", "totals", "t"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        CHECK(pyro_wanted(wanted[i], i == 4 ? "outer.<locals>.total" : "Cart.total", file));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK(!pyro_wanted(others[i], "Cart.total", file));
    CHECK(pyro_wanted("total", "total", file));
}

static void classes_with_their_methods(void)
{
    CHECK(pyro_wanted("Cart", "Cart.total", file));
    CHECK(pyro_wanted("Cart", "Cart.Item.price", file));
    CHECK(pyro_wanted("Item", "Cart.Item.price", file));
    CHECK(!pyro_wanted("Cart", "Carts.total", file));
    CHECK(!pyro_wanted("total", "total.<locals>.inner", file)); /* what is defined in it */
    CHECK(!pyro_wanted("Cart", "Cart.total.<locals>.<lambda>", file));
}

static void modules_and_packages(void)
{
    CHECK(pyro_wanted("cart", "f", file));
    CHECK(pyro_wanted("models.cart", "f.<locals>.<listcomp>", file));
    CHECK(pyro_wanted("shop.models", "f", file));
    CHECK(pyro_wanted("shop", "f", file));
    CHECK(pyro_wanted("models", "f", package));
    CHECK(pyro_wanted("shop.models", "f", package));
    CHECK(!pyro_wanted("hop.models", "f", file));
    CHECK(!pyro_wanted("shop.cart", "f", file));
    CHECK(!pyro_wanted("py", "f", file));
    CHECK(!pyro_wanted("__init__", "f", package));
}

static void functions_behind_their_modules(void)
{
    CHECK(pyro_wanted("cart.total", "total", file));
    CHECK(pyro_wanted("shop.models.cart.Cart.total", "Cart.total", file));
    CHECK(pyro_wanted("models.cart.Cart", "Cart.total", file));
    CHECK(!pyro_wanted("cart.total", "Cart.total", file)); /* the module has none of that name */
    CHECK(!pyro_wanted("cart.total", "total", package));
}

static void lines_of_files(void)
{
    const char *names =
        "total,cart.py:31,other.py:7,models/cart.py:9,art.py:3,cart.py:0,cart.py:x,:4";
    CHECK_EQ(pyro_wanted_line(&names, file), 31);
    CHECK_EQ(pyro_wanted_line(&names, file), 9);
    CHECK_EQ(pyro_wanted_line(&names, file), 0);
    CHECK(!pyro_wanted("cart.py:31", "f", file)); /* the other call says */
}

int main(void)
{
    return CHECK_MAIN(TEST(functions_by_their_names_or_the_ends_of_them),
                      TEST(classes_with_their_methods), TEST(modules_and_packages),
                      TEST(functions_behind_their_modules), TEST(lines_of_files));
}

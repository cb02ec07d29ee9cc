#include "model/selector.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace nodewall::model;

namespace {

Selector parsed(std::string_view text) {
  auto selector = Selector::parse(text);
  INFO(text << ": " << (selector ? "" : selector.error().what));
  REQUIRE(selector.has_value());
  return *selector;
}

std::string fault(std::string_view text) {
  const auto selector = Selector::parse(text);
  INFO(text);
  REQUIRE_FALSE(selector.has_value());
  return selector.error().what;
}

bool holds(std::string_view text, const Labels& labels) {
  return parsed(text).matches(labels);
}

}  // namespace

TEST_CASE("a selector has one canonical form") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "all()"},
      {" \t ", "all()"},
      {"a=='b'", "a == \"b\""},
      {"a in {'y','x','x'}", "a in {\"x\", \"y\"}"},
      {"a==\"b\"&&c==\"d\"", "(a == \"b\" && c == \"d\")"},
      {"!!has(a)", "has(a)"},
      {"!!!has(a)", "!has(a)"},
      {"! ! ! has( a )", "!has(a)"},
      {"a notin {\"b\"}", "a not in {\"b\"}"},
      {"a not  \t in{\"b\"}", "a not in {\"b\"}"},
      {"a startswith 'x'", "a starts with \"x\""},
      {"a starts   with'x'", "a starts with \"x\""},
      {"a endswith 'x'", "a ends with \"x\""},
      {"a contains'x'", "a contains \"x\""},
      {"a == 'say \"x\"'", "a == 'say \"x\"'"},
      {"a == \"it's\"", "a == \"it's\""},
      {"((a == 'b'))", "a == \"b\""},
      {"a == 'b' || c == 'd' && e == 'f'", "(a == \"b\" || (c == \"d\" && e == \"f\"))"},
      {"(a == 'b' && (c == 'd' && e == 'f'))", "(a == \"b\" && (c == \"d\" && e == \"f\"))"},
      {"! a == 'b' && c == 'd'", "(!a == \"b\" && c == \"d\")"},
      {"a in {}", "a in {}"},
      {"a in {'x',}", "a in {\"x\"}"},
      {"all( )", "all()"},
      {"global(\t)", "global()"},
      {"in == 'x'", "in == \"x\""},
      {"all == 'x' && has == 'y' && not in {'z'}", "(all == \"x\" && has == \"y\" && not in {\"z\"})"},
      {"k8s.io/Role-1_a == 'x'", "k8s.io/Role-1_a == \"x\""},
      {"a == 'two\nlines'", "a == \"two\nlines\""},
  };
  for (const auto& [text, canonical] : cases) {
    INFO(text);
    CHECK(parsed(text).canonical() == canonical);
    CHECK(parsed(canonical).canonical() == canonical);
  }
}

TEST_CASE("a selector keeps its text as written and compares by meaning") {
  CHECK(parsed("a=='b'").text() == "a=='b'");
  CHECK(parsed("a == \"b\"").text() == "a == \"b\"");
  CHECK(parsed("").text() == "all()");
  CHECK(Selector().text() == "all()");
  CHECK(parsed("a=='b'") == parsed("a == \"b\""));
  CHECK_FALSE(parsed("a=='b'") == parsed("a=='c'"));
}

TEST_CASE("a selector's id is the one Calico computes") {
  CHECK(parsed("all()").id() == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
  CHECK(parsed("!(has(b) || !has(a))").id() == "s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q");
  CHECK(parsed("!(a == \"b\" && !c != \"d\")").id() == "s:lh3haoY1ikTRkd4UZu0nWSaIBknYLPJLX16d-w");
  CHECK(parsed("").id() == Selector().id());
}

TEST_CASE("a selector with a fault is refused, and the fault and its column are named") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"b == b", "column 6: expected a string in quotes"},
      {"'x' == b", "column 1: expected a label"},
      {"b", "column 2: expected an operator after label 'b'"},
      {"a ", "column 3: expected an operator after label 'a'"},
      {"()", "column 2: expected a label"},
      {"%", "column 1: expected a label"},
      {"a = \"b\"", "column 3: expected =="},
      {"a == \"b\" & has(c)", "column 10: expected &&"},
      {"a == \"b\" | has(c)", "column 10: expected ||"},
      {"has (a)", "column 5: expected an operator after label 'has'"},
      {"all (", "column 5: expected an operator after label 'all'"},
      {"a == \"x", "column 6: unterminated string"},
      {"a == 'x\"", "column 6: unterminated string"},
      {"a in \"x\"", "column 6: expected {"},
      {"a in {\"x\" \"y\"}", "column 11: expected , or }"},
      {"a in {,}", "column 7: expected a string"},
      {"a in {\"x\"", "column 10: expected , or }"},
      {"a inx", "column 3: expected an operator"},
      {"a not inx", "column 3: expected an operator"},
      {"(has(a)", "column 8: expected )"},
      {"has(a", "column 6: missing ) after has("},
      {"has()", "column 5: expected a label after has("},
      {"all(x)", "column 5: missing ) after all("},
      {"has(a) has(b)", "column 8: unexpected content at the end: 'has(b)'"},
      {"has(a))", "column 7: unexpected content at the end: ')'"},
      {"has(a) &&", "column 10: unexpected end"},
      {"has(a)\n", "column 7: a line break is not allowed"},
      {"a ==\n'b'", "column 5: expected a string"},
      {"!", "column 2: unexpected end"},
      {"a == 'b' && || c == 'd'", "column 13: expected a label"},
      {"a contain 'b'", "column 3: expected an operator"},
      {"a == 'b' and c == 'd'", "column 10: unexpected content at the end"},
  };
  for (const auto& [text, wanted] : cases) {
    INFO(text);
    const auto found = fault(text);
    INFO(found);
    CHECK(found.starts_with(wanted));
  }
}

TEST_CASE("a label name has at most 512 characters") {
  CHECK(parsed(std::string(512, 'a') + " == 'b'").canonical().size() == 512 + 7);
  CHECK(fault(std::string(513, 'a') + " == 'b'").starts_with("column 1: label too long"));
  CHECK(parsed("has(" + std::string(512, 'a') + ")").matches({{std::string(512, 'a'), ""}}));
  CHECK(fault("has(" + std::string(513, 'a') + ")").starts_with("column 5: label too long"));
}

TEST_CASE("T-X10: a selector may be nested 64 deep and no deeper, and repeated without end") {
  CHECK(parsed(std::string(64, '(') + "has(a)" + std::string(64, ')')).canonical() == "has(a)");
  CHECK(fault(std::string(65, '(') + "has(a)" + std::string(65, ')')).find("nested more than 64") != std::string::npos);
  CHECK(fault(std::string(1'000'000, '(')).find("nested more than 64") != std::string::npos);
  CHECK(parsed(std::string(1'000'001, '!') + "has(a)").canonical() == "!has(a)");
}

TEST_CASE("operators on a label that is absent") {
  const Labels none;
  CHECK_FALSE(holds("has(k)", none));
  CHECK(holds("!has(k)", none));
  CHECK_FALSE(holds("k == 'v'", none));
  CHECK(holds("k != 'v'", none));
  CHECK_FALSE(holds("k in {'v'}", none));
  CHECK(holds("k not in {'v'}", none));
  CHECK_FALSE(holds("k contains ''", none));
  CHECK_FALSE(holds("k starts with ''", none));
  CHECK_FALSE(holds("k ends with ''", none));
  CHECK(holds("all()", none));
  CHECK(holds("global()", none));
}

TEST_CASE("operators on a label that is present") {
  const Labels labels = {{"k", "value"}, {"e", ""}};
  CHECK(holds("has(k)", labels));
  CHECK(holds("has(e)", labels));
  CHECK(holds("k == 'value'", labels));
  CHECK_FALSE(holds("k == 'Value'", labels));
  CHECK_FALSE(holds("k != 'value'", labels));
  CHECK(holds("k in {'x', 'value'}", labels));
  CHECK_FALSE(holds("k not in {'x', 'value'}", labels));
  CHECK_FALSE(holds("k in {}", labels));
  CHECK(holds("k not in {}", labels));
  CHECK(holds("k contains 'alu'", labels));
  CHECK_FALSE(holds("k contains 'x'", labels));
  CHECK(holds("k starts with 'val'", labels));
  CHECK_FALSE(holds("k starts with 'alue'", labels));
  CHECK(holds("k ends with 'lue'", labels));
  CHECK_FALSE(holds("k ends with 'val'", labels));
}

TEST_CASE("and binds tighter than or, and not tighter than both") {
  CHECK(holds("has(a) || has(b) && has(c)", {{"a", ""}}));
  CHECK_FALSE(holds("(has(a) || has(b)) && has(c)", {{"a", ""}}));
  CHECK(holds("!has(a) || has(a)", {{"a", ""}}));
  CHECK_FALSE(holds("!(has(a) || has(a))", {{"a", ""}}));
  CHECK(holds("! a == 'b' && has(c)", {{"a", "x"}, {"c", ""}}));
}

TEST_CASE("global() is found wherever it stands") {
  CHECK(parsed("global()").is_global());
  CHECK_FALSE(parsed("global() && has(a)").is_global());
  CHECK(parsed("has(a) || !(has(b) && global())").mentions_global());
  CHECK_FALSE(parsed("has(global)").mentions_global());
  CHECK(parsed("").is_all());
  CHECK(parsed("all()").is_all());
  CHECK_FALSE(parsed("!all()").is_all());
}

"""Parse the HTML of a gallery."""

import html
import re


def pictures(text: str) -> list[dict[str, str]]:
    """Return the attributes of each picture with a map: method, image, finding, threshold, iou …"""
    tags = re.findall(r'<div class="stage[^>]*data-map=[^>]*>', text)
    return [{name: html.unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', tag)} for tag in tags]


def scores_of(text: str) -> dict[str, str]:
    """Return method -> printed score."""
    return dict(re.findall(r'<tr data-method="([^"]+)">.*?<td class="score">([^<]*)</td>', text, re.DOTALL))

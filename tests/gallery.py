"""What a gallery's HTML says of its pictures and methods."""

import html
import re


def pictures(text: str) -> list[dict[str, str]]:
    """What each picture that shows a map says of itself: method, image, finding, threshold, iou …"""
    tags = re.findall(r'<div class="stage[^>]*data-map=[^>]*>', text)
    return [{name: html.unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', tag)} for tag in tags]


def scores_of(text: str) -> dict[str, str]:
    """Method -> its main column as printed."""
    return dict(re.findall(r'<tr data-method="([^"]+)">.*?<td class="score">([^<]*)</td>', text, re.DOTALL))
